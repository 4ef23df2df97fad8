import * as pulumi from "@pulumi/pulumi";
import type { SettingsInput } from "../../mailserver-runtime/settings/schema.ts";

export interface SettingsArgs {
  /** By the names of the settings reference. */
  readonly settings: pulumi.Input<SettingsInput>;
}

/** The settings of a mail server. Those that need no restart take effect at once. */
export class Settings extends pulumi.CustomResource {
  declare readonly settings: pulumi.Output<SettingsInput>;
  /** The URN that owns the settings on the host. */
  declare readonly owner: pulumi.Output<string>;

  constructor(name: string, args: SettingsArgs, options?: pulumi.CustomResourceOptions) {
    super("mailkeep:index:Settings", name, { ...args, owner: undefined }, options);
  }
}
