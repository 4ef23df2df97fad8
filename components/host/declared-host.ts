/**
 * A stack's host as resources: its provider, and what has to stand there before the server. One function a kind of host;
 * everything else in a stack is declared through what it gives.
 */
import { resolve } from "node:path";
import * as pulumi from "@pulumi/pulumi";
import { MailDirectories } from "../mail-server/mail-directories.ts";
import type { HostArgs, LocalHostArgs } from "../mail-stack-args.ts";
import { Provider } from "./provider.ts";

export interface DeclaredHost {
  readonly provider: Provider;
  readonly directories: MailDirectories;
  /** What the server waits for besides its files: its code, its unit, the firewall. */
  readonly machinery: readonly pulumi.Resource[];
  /** Where mail, keys and configuration lie on the host. */
  readonly dataDirectory: pulumi.Output<string>;
  /** The directory on this machine where passwords are made up for mailboxes without one. */
  readonly secretsDirectory: string;
}

type Declare<T extends HostArgs> = (name: string, host: T, parent: pulumi.Resource) => DeclaredHost;

const declareLocal: Declare<LocalHostArgs> = (name, { directory: declared }, parent) => {
  const directory = resolve(declared ?? `.mailkeep/${pulumi.getStack()}`);
  const provider = new Provider(`${name}-host`, { type: "local", directory }, { parent });
  return {
    provider,
    directories: new MailDirectories(`${name}-directories`, { parent, provider }),
    machinery: [],
    dataDirectory: pulumi.output(directory),
    secretsDirectory: directory,
  };
};

const kinds: { readonly [T in HostArgs["type"]]: Declare<Extract<HostArgs, { type: T }>> } = {
  local: declareLocal,
};

/** The host of a stack. `parent` owns its resources. */
export function declareHost(name: string, host: HostArgs, parent: pulumi.Resource): DeclaredHost {
  return kinds[host.type](name, host, parent);
}
