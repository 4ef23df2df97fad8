/**
 * A stack's host as resources: its provider, and what has to stand there before the server. One function a kind of host;
 * everything else in a stack is declared through what it gives.
 */
import { resolve } from "node:path";
import * as pulumi from "@pulumi/pulumi";
import { MailDirectories } from "../mail-server/mail-directories.ts";
import type { HostArgs, LocalHostArgs } from "../mail-stack-args.ts";
import type { StackPlan } from "../stack-plan.ts";
import { declareDocker } from "./docker/declare-docker.ts";
import { Provider } from "./provider.ts";
import { declareSsh } from "./ssh/declare-ssh.ts";

export interface DeclaredHost {
  readonly provider: Provider;
  readonly directories: MailDirectories;
  /** What the server waits for besides its files: its code, its unit, the firewall. */
  readonly machinery: readonly pulumi.Resource[];
  /** Declares what the server runs in, after the directories, keys and files that it is given. */
  readonly contain?: (after: readonly pulumi.Resource[]) => readonly pulumi.Resource[];
  /** What starts the server anew when it changes. */
  readonly restartOn: Readonly<Record<string, unknown>>;
  /** Where clients reach it; where the listeners bind when absent. */
  readonly address?: pulumi.Output<string>;
  /** Where mail, keys and configuration lie on the host. */
  readonly dataDirectory: pulumi.Output<string>;
  /** The directory on this machine where passwords are made up for mailboxes without one; undefined where none are. */
  readonly secretsDirectory: string | undefined;
}

function declareLocal(
  name: string,
  { directory: declared }: LocalHostArgs,
  parent: pulumi.Resource,
): DeclaredHost {
  const directory = resolve(declared ?? `.mailkeep/${pulumi.getStack()}`);
  const provider = new Provider(`${name}-host`, { type: "local", directory }, { parent });
  return {
    provider,
    directories: new MailDirectories(`${name}-directories`, { parent, provider }),
    machinery: [],
    restartOn: {},
    dataDirectory: pulumi.output(directory),
    secretsDirectory: directory,
  };
}

/** The host of a stack. `parent` owns its resources. */
export function declareHost(
  name: string,
  host: HostArgs,
  plan: StackPlan,
  parent: pulumi.Resource,
): DeclaredHost {
  switch (host.type) {
    case "local":
      return declareLocal(name, host, parent);
    case "docker":
      return declareDocker(name, host, plan, parent);
    case "ssh":
      return declareSsh(name, host, plan, parent);
  }
}
