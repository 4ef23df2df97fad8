/** What mailkeep looks after on a machine by ssh: its host key, packages, the server's code, units, firewall. */
import * as pulumi from "@pulumi/pulumi";
import type { OpenPort } from "./firewall-rules.ts";

/**
 * The ssh host key of a machine at its first use, kept in the state and pinned from then on. Its provider has the hostKey
 * `accept-first-use`; its `fingerprint` is the hostKey of the provider for everything else.
 */
export class HostKey extends pulumi.CustomResource {
  /** As `ssh-keygen -l` prints it. */
  declare readonly fingerprint: pulumi.Output<string>;
  /** Type and key, as in known_hosts. */
  declare readonly publicKey: pulumi.Output<string>;

  constructor(name: string, options?: pulumi.CustomResourceOptions) {
    super(
      "mailkeep:index:HostKey",
      name,
      { fingerprint: undefined, publicKey: undefined, owner: undefined },
      options,
    );
  }
}

export interface HostPackagesArgs {
  /** Names of Debian packages. */
  readonly packages: pulumi.Input<pulumi.Input<string>[]>;
}

/** Debian packages that a machine has. */
export class HostPackages extends pulumi.CustomResource {
  /** Those that were not there before. */
  declare readonly added: pulumi.Output<string[]>;

  constructor(name: string, args: HostPackagesArgs, options?: pulumi.CustomResourceOptions) {
    super("mailkeep:index:HostPackages", name, { ...args, added: undefined, owner: undefined }, options);
  }
}

export interface HostRuntimeArgs {
  /** The version that shall be there. Left out: what this package carries. */
  readonly version?: pulumi.Input<string>;
  /** How many older versions stay; 2 when absent. */
  readonly keep?: pulumi.Input<number>;
}

/** The server's code on a machine, with the Node that runs it. */
export class HostRuntime extends pulumi.CustomResource {
  declare readonly version: pulumi.Output<string>;
  /** Where the version lies. */
  declare readonly path: pulumi.Output<string>;

  constructor(name: string, args: HostRuntimeArgs = {}, options?: pulumi.CustomResourceOptions) {
    super(
      "mailkeep:index:HostRuntime",
      name,
      { version: undefined, keep: undefined, ...args, path: undefined, owner: undefined },
      options,
    );
  }
}

export interface HostUnitArgs {
  /** `mailkeep.service` */
  readonly name: pulumi.Input<string>;
  /** The unit file. */
  readonly text: pulumi.Input<string>;
  /** Whether it starts at boot; true when absent. */
  readonly enabled?: pulumi.Input<boolean>;
}

/** A systemd unit of a machine. */
export class HostUnit extends pulumi.CustomResource {
  declare readonly text: pulumi.Output<string>;
  /** The unit file. */
  declare readonly path: pulumi.Output<string>;

  constructor(name: string, args: HostUnitArgs, options?: pulumi.CustomResourceOptions) {
    super(
      "mailkeep:index:HostUnit",
      name,
      { enabled: undefined, ...args, path: undefined, owner: undefined },
      options,
    );
  }
}

export interface HostFirewallArgs {
  /** The ports that are reached from outside, besides sshd's. */
  readonly open: pulumi.Input<pulumi.Input<OpenPort>[]>;
}

/** The firewall of a machine: nftables' table `inet mailkeep`. */
export class HostFirewall extends pulumi.CustomResource {
  /** The port of the sshd that deploys, always open. */
  declare readonly sshPort: pulumi.Output<number>;

  constructor(name: string, args: HostFirewallArgs, options?: pulumi.CustomResourceOptions) {
    super(
      "mailkeep:index:HostFirewall",
      name,
      { ...args, sshPort: undefined, intact: undefined, owner: undefined },
      options,
    );
  }
}
