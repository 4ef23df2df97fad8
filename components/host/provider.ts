/** A mail host as a Pulumi provider: what is declared on the host names it as its provider. */
import * as pulumi from "@pulumi/pulumi";
import type { SshConnectionArgs } from "./ssh/ssh-args.ts";

/** How a host is reached, by `type`. Every leaf may be an output of another resource. */
export type ProviderArgs =
  | {
      /** This machine, without root. */
      readonly type: "local";
      /** Absolute path of the server's data: config, mail, state, log and run lie below it. */
      readonly directory: pulumi.Input<string>;
    }
  | {
      /** A container of a Docker engine. */
      readonly type: "docker";
      /** The engine; this machine's socket when absent. */
      readonly address?: pulumi.Input<string>;
      readonly certificates?: pulumi.Input<string>;
      /** The image, by id or digest, as the engine has it. */
      readonly image: pulumi.Input<string>;
      readonly container: pulumi.Input<string>;
      /** Absolute path on the engine's host. */
      readonly directory: pulumi.Input<string>;
      /** Memory that the host must have; not looked at when absent. */
      readonly memoryBytes?: pulumi.Input<number>;
    }
  | ({
      /** A Debian or Ubuntu machine. */
      readonly type: "ssh";
    } & SshConnectionArgs);

/** Parts that may hold a secret: encrypted in the state as a whole. */
const secret = ["auth", "jump", "sudoPassword"] as const;

/**
 * The connection to one mail host.
 *
 * ```ts
 * const here = new Provider("here", { type: "local", directory: "/srv/mail" });
 * new Domain("example", { domain: "example.org" }, { provider: here });
 * ```
 */
export class Provider extends pulumi.ProviderResource {
  constructor(name: string, args: ProviderArgs, options?: pulumi.ResourceOptions) {
    const inputs: Record<string, unknown> = { ...args };
    for (const part of secret) if (inputs[part] !== undefined) inputs[part] = pulumi.secret(inputs[part]);
    super("mailkeep", name, inputs, options);
  }
}
