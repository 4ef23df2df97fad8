/** What the first process tells a worker over their channel, and the other way round: its life, and sockets. */

import type { NotedFailure } from "../disk/sync-failures.ts";
import type { Directories } from "../settings/directories.ts";
import type { Protocol } from "../settings/schema.ts";
import type { SessionState } from "../smtp/moving.ts";
import type { ProcessNumber } from "./calls.ts";

export type ToWorker =
  /** The first message: who it is. */
  | {
      readonly kind: "start";
      readonly number: ProcessNumber;
      readonly directories: Directories;
      readonly logToStdout: boolean;
      /** Of the server, for the names of its message files. */
      readonly incarnation: string;
    }
  /** Comes with a socket that nobody has read. */
  | {
      readonly kind: "connection";
      readonly connection: number;
      readonly protocol: Protocol;
      readonly proxyProtocol: readonly string[];
    }
  /** Comes with the socket of an SMTP session between two transactions. */
  | {
      readonly kind: "session";
      readonly connection: number;
      readonly protocol: Protocol;
      readonly state: SessionState;
    }
  /** No connection comes any more: those there are may end within the time, then it says "drained". */
  | { readonly kind: "drain"; readonly graceMs: number }
  /** Everything is to be on disk and the process to end. */
  | { readonly kind: "exit" };

export type FromWorker =
  | { readonly kind: "ready" }
  | { readonly kind: "taken"; readonly connection: number }
  | { readonly kind: "left"; readonly connection: number }
  | { readonly kind: "load"; readonly load: Load }
  /** The disk did not keep what this worker wrote (disk/sync-failures.ts). */
  | { readonly kind: "sync-failed"; readonly failure: NotedFailure }
  | { readonly kind: "drained" };

/** How busy a process is. */
export interface Load {
  /** Part of the last sample's time in which the event loop was at work, 0 to 1. */
  readonly utilisation: number;
  /** Clients' connections and sessions relayed to it. */
  readonly connections: number;
}
