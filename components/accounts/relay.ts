import * as pulumi from "@pulumi/pulumi";

export interface RelayArgs {
  /** What it is called; its id for an import. */
  readonly name: pulumi.Input<string>;
  /** Host name or address. Absent: what matches is sent directly, whatever other relays say. */
  readonly host?: pulumi.Input<string>;
  /** 587 when absent. */
  readonly port?: pulumi.Input<number>;
  /**
   * `starttls` (default): required, certificate checked. `implicit`: TLS from the first byte, as at port 465.
   * `opportunistic`: as to any MX; then there is no login.
   */
  readonly tls?: pulumi.Input<"implicit" | "starttls" | "opportunistic">;
  /** Ask for the host's MX records first; false when absent. */
  readonly lookupMx?: pulumi.Input<boolean>;
  /** The login at the relay, sent over TLS only. */
  readonly username?: pulumi.Input<string>;
  /** A file on the mail host with the authorities (PEM) that its certificate is checked against; the usual ones when absent. */
  readonly caFile?: pulumi.Input<string>;
  /** Its password, kept as a secret. */
  readonly password?: pulumi.Input<string>;
  /** Recipient domains whose mail it takes. With no list at all it takes everything that no other rule speaks of. */
  readonly recipientDomains?: pulumi.Input<pulumi.Input<string>[]>;
  /** Senders whose mail it takes: addresses. */
  readonly senders?: pulumi.Input<pulumi.Input<string>[]>;
  /** Domains whose senders' mail it takes. */
  readonly senderDomains?: pulumi.Input<pulumi.Input<string>[]>;
}

/** A host that takes outgoing mail (smarthost), or a rule that some mail goes directly. */
export class Relay extends pulumi.CustomResource {
  declare readonly name: pulumi.Output<string>;
  declare readonly host: pulumi.Output<string | undefined>;
  declare readonly port: pulumi.Output<number>;
  declare readonly tls: pulumi.Output<"implicit" | "starttls" | "opportunistic">;
  declare readonly lookupMx: pulumi.Output<boolean>;
  declare readonly username: pulumi.Output<string | undefined>;
  declare readonly caFile: pulumi.Output<string | undefined>;
  declare readonly recipientDomains: pulumi.Output<string[]>;
  declare readonly senders: pulumi.Output<string[]>;
  declare readonly senderDomains: pulumi.Output<string[]>;
  /** The URN that owns the relay on the host. */
  declare readonly owner: pulumi.Output<string>;

  constructor(name: string, args: RelayArgs, options?: pulumi.CustomResourceOptions) {
    super(
      "mailkeep:index:Relay",
      name,
      {
        host: undefined,
        port: undefined,
        tls: undefined,
        lookupMx: undefined,
        username: undefined,
        caFile: undefined,
        recipientDomains: undefined,
        senders: undefined,
        senderDomains: undefined,
        ...args,
        ...(args.password !== undefined && { password: pulumi.secret(args.password) }),
        owner: undefined,
      },
      pulumi.mergeOptions({ additionalSecretOutputs: ["password"] }, options),
    );
  }
}
