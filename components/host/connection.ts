/**
 * A mail host as the provider sees it: a few operations, whatever lies between. `local` is this machine; every further
 * way to a host is one more file with the same interface, one more member of the union and one more case of `connect`.
 *
 * Making a connection never dials. The first operation does, again and again until its own deadline: a host that is being
 * made in the same deployment may need a while before it answers.
 */
import type { Readable } from "node:stream";
import { z } from "zod";
import type {
  OperationAnswer,
  OperationName,
  OperationRequest,
} from "../../mailserver-runtime/admin/contract.ts";
import type { Directories } from "../../mailserver-runtime/settings/directories.ts";
import type { Listener } from "../../mailserver-runtime/settings/schema.ts";
import { dockerConnection } from "./docker/connection-schema.ts";
import { connectDocker } from "./docker/docker-host.ts";
import { connectLocal } from "./local/local-host.ts";
import type { Machine } from "./machine.ts";
import { sshConnection } from "./ssh/connection-schema.ts";
import { connectSsh } from "./ssh/ssh-host.ts";

const localConnection = z.strictObject({
  type: z.literal("local").meta({ description: "This machine, without root." }),
  directory: z.string().min(1).meta({
    description: "Absolute path of the server's data: config, mail, state, log and run lie below it.",
  }),
});

/** How a host is reached, by `type`. */
export const hostConnectionSchema = z.discriminatedUnion("type", [
  localConnection,
  dockerConnection,
  sshConnection,
]);
export type HostConnection = z.infer<typeof hostConnectionSchema>;
export type LocalConnection = z.infer<typeof localConnection>;

/** What an operation may use up: it fails with `HostError` when `deadline` (milliseconds since the epoch) has passed. */
export interface Limit {
  readonly deadline: number;
  readonly signal?: AbortSignal;
}

/** What is known about the server process of a host. */
export type ServerState =
  | {
      readonly kind: "running";
      /** The code that runs, as `runtimeVersion` named it at its start; undefined when somebody else started it. */
      readonly version: string | undefined;
      /** The URN of the resource that declared it; undefined when nobody did. */
      readonly owner: string | undefined;
    }
  | { readonly kind: "stopped" }
  | { readonly kind: "unreachable"; readonly reason: string };

export interface StartServer {
  /** Written beside the process, so that a later look knows which code runs and whose it is. */
  readonly version: string;
  readonly owner: string;
  /** Where it will listen: checked for other holders before the start and for banners after it. */
  readonly listeners: readonly Listener[];
}

/** One mail host. */
export interface Host {
  /** Names the host in messages. */
  readonly description: string;
  readonly directories: Directories;
  /** How long, in milliseconds, a preview waits for it to say how things are. */
  readonly patienceMs: number;
  /** Performs an operation of the admin contract: by the running server, or on the same files where none runs. */
  perform<N extends OperationName>(
    operation: N,
    request: OperationRequest<N>,
    limit: Limit,
  ): Promise<OperationAnswer<N>>;
  /** Makes the directories that are missing; those that are there are left as they are. */
  makeDirectories(limit: Limit): Promise<void>;
  hasDirectories(limit: Limit): Promise<boolean>;
  /** The code that `startServer` would run now. Reads local files only. */
  runtimeVersion(): Promise<string>;
  /** Asks, and gives up after the limit with `unreachable`; never throws for a host that does not answer. */
  serverState(limit: Limit): Promise<ServerState>;
  /** Starts the server, or leaves a healthy one of the same version alone; answers when it is healthy. */
  startServer(wanted: StartServer, limit: Limit): Promise<void>;
  /** Stops it: by request, by SIGTERM, by SIGKILL. A server that does not run is no error. */
  stopServer(graceMs: number, limit: Limit): Promise<void>;
  /** The end of the server's log and, where told so, what comes after it; for a host whose files are not here. */
  readLog?(from: { readonly lines: number; readonly follow: boolean }, limit: Limit): Promise<Readable>;
  /** The key the machine proved, for a connection by ssh: the fingerprint and the line of known_hosts. */
  hostKey?(limit: Limit): Promise<{ readonly fingerprint: string; readonly publicKey: string }>;
  /** The machine itself, where mailkeep looks after it: its packages, its units, its firewall. */
  readonly machine?: Machine;
  close(): Promise<void>;
}

/** The host behind a connection. Does not dial. */
export function connect(to: HostConnection): Host {
  switch (to.type) {
    case "local":
      return connectLocal(to);
    case "docker":
      return connectDocker(to);
    case "ssh":
      return connectSsh(to);
  }
}
