import * as pulumi from "@pulumi/pulumi";

export interface MailboxArgs {
  /** The mailbox's address, which is its login name too. */
  readonly address: pulumi.Input<string>;
  /** The first password. It is kept as a secret; `passwordPolicy` says what a later change means. */
  readonly password?: pulumi.Input<string>;
  /** In place of a password: a hash with its scheme, as in postfix-accounts.cf. */
  readonly passwordHash?: pulumi.Input<string>;
  /**
   * `initial` (default): a password that its user or `setup` has changed stays, and is no drift. `enforced`: the declared
   * one always wins.
   */
  readonly passwordPolicy?: pulumi.Input<"initial" | "enforced">;
  /** Most bytes of mail; 0, the default, is no limit. */
  readonly quotaBytes?: pulumi.Input<number>;
  /** The person's name. */
  readonly displayName?: pulumi.Input<string>;
}

/**
 * An account: an address, its login and its mail. Its id for an import is its address.
 *
 * Removing it refuses its logins and new mail and leaves its Maildir where it is; declaring it again finds it.
 */
export class Mailbox extends pulumi.CustomResource {
  declare readonly address: pulumi.Output<string>;
  declare readonly passwordPolicy: pulumi.Output<"initial" | "enforced">;
  declare readonly quotaBytes: pulumi.Output<number>;
  declare readonly displayName: pulumi.Output<string | undefined>;
  /** The URN that owns the account on the host. */
  declare readonly owner: pulumi.Output<string>;

  constructor(name: string, args: MailboxArgs, options?: pulumi.CustomResourceOptions) {
    const secrets = {
      ...(args.password !== undefined && { password: pulumi.secret(args.password) }),
      ...(args.passwordHash !== undefined && { passwordHash: pulumi.secret(args.passwordHash) }),
    };
    super(
      "mailkeep:index:Mailbox",
      name,
      {
        passwordPolicy: undefined,
        quotaBytes: undefined,
        displayName: undefined,
        ...args,
        ...secrets,
        owner: undefined,
      },
      pulumi.mergeOptions({ additionalSecretOutputs: ["password", "passwordHash"] }, options),
    );
  }
}
