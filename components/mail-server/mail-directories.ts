import * as pulumi from "@pulumi/pulumi";

/**
 * The directories of a mail host. They are made when missing and outlive the stack: no diff and no `destroy` deletes them.
 */
export class MailDirectories extends pulumi.CustomResource {
  /** The administrator's files, and what the stack declares. */
  declare readonly config: pulumi.Output<string>;
  /** The Maildirs. */
  declare readonly mail: pulumi.Output<string>;
  /** Keys, certificates, queue and indexes. */
  declare readonly state: pulumi.Output<string>;
  /** Log files. */
  declare readonly log: pulumi.Output<string>;
  /** Sockets and the record of the running process. */
  declare readonly run: pulumi.Output<string>;
  /** Made once with the directories; tells one host from another. */
  declare readonly machineId: pulumi.Output<string>;

  constructor(name: string, options?: pulumi.CustomResourceOptions) {
    super(
      "mailkeep:index:MailDirectories",
      name,
      {
        config: undefined,
        mail: undefined,
        state: undefined,
        log: undefined,
        run: undefined,
        machineId: undefined,
        owner: undefined,
      },
      pulumi.mergeOptions({ retainOnDelete: true }, options),
    );
  }
}
