import * as pulumi from "@pulumi/pulumi";
import type { Listener } from "../../mailserver-runtime/settings/schema.ts";

export interface ServerArgs {
  /** Where the server listens, as in the settings; it is healthy when each one greets. */
  readonly listeners: pulumi.Input<pulumi.Input<Listener>[]>;
  /** Settings that take effect with a restart only: when they change, the server starts anew. */
  readonly restartOn?: pulumi.Input<Record<string, unknown>>;
  /** Whether the server shall run (default); false stops it and keeps everything it has. */
  readonly running?: pulumi.Input<boolean>;
  /** The code that runs. Left out: what this package carries, named by its fingerprint. */
  readonly version?: pulumi.Input<string>;
}

/**
 * The mail server of a host: it runs, healthy, with the declared code. Each preview asks the host whether that is so; a
 * stopped server is a change, a host that does not answer a warning.
 */
export class Server extends pulumi.CustomResource {
  declare readonly listeners: pulumi.Output<Listener[]>;
  declare readonly version: pulumi.Output<string>;
  declare readonly running: pulumi.Output<boolean>;

  constructor(name: string, args: ServerArgs, options?: pulumi.CustomResourceOptions) {
    super(
      "mailkeep:index:Server",
      name,
      { version: undefined, restartOn: undefined, running: undefined, ...args, owner: undefined },
      options,
    );
  }
}
