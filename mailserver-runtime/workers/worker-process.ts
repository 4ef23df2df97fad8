/** One worker as the first process sees it: its channel, its connections, its end. */
import { type ChildProcess, fork } from "node:child_process";
import type { Socket } from "node:net";
import { syncFailures } from "../disk/sync-failures.ts";
import type { Accepted } from "../net/listen.ts";
import { passSocket } from "../net/pass-socket.ts";
import type { Refused } from "../net/serve-socket.ts";
import type { Directories } from "../settings/directories.ts";
import type { SessionState } from "../smtp/moving.ts";
import { serverIncarnation } from "../store/maildir/file-name.ts";
import type { ProcessNumber } from "./calls.ts";
import { forgetWorker, noteWorker } from "./left-behind.ts";
import type { FromWorker, Load, ToWorker } from "./lifecycle.ts";

export interface WorkerOptions {
  readonly number: ProcessNumber;
  readonly directories: Directories;
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly logToStdout: boolean;
  /** Whom it runs as, where the first process may choose (D7: privileges); default: as the first process does. */
  readonly identity?: { readonly uid: number; readonly gid: number };
  /** Called once, when it has ended, however. */
  readonly onExit: (worker: WorkerProcess, how: string) => void;
}

/** A worker that does not come up within this time is ended: it takes two seconds of a core, which others may need more. */
const START_MS = 120_000;

export class WorkerProcess {
  readonly number: ProcessNumber;
  readonly reason: string;
  readonly startedAt = Date.now();
  stage: "starting" | "serving" | "ending" = "starting";
  load: Load = { utilisation: 0, connections: 0 };
  idleSince: number | undefined;

  readonly #child: ChildProcess;
  readonly #connections = new Map<number, Accepted>();
  /** Sent and not yet taken. */
  readonly #sent = new Set<number>();
  readonly #ready = Promise.withResolvers<void>();
  readonly #drained = Promise.withResolvers<void>();
  readonly #gone = Promise.withResolvers<void>();
  #asked = false;

  constructor(options: WorkerOptions, reason: string) {
    this.number = options.number;
    this.reason = reason;
    const { extension } = /\.(?<extension>[jt]s)$/.exec(import.meta.url)!.groups!;
    this.#child = fork(new URL(`./main.${extension}`, import.meta.url), [], {
      env: { ...options.env },
      // Standard output is the log's; the channel is the first process's alone.
      stdio: ["ignore", "inherit", "inherit", "ipc"],
      ...options.identity,
    });
    this.#child.on("message", (message: FromWorker) => this.#heard(message));
    this.#child.on("error", () => {});
    const late = setTimeout(() => this.#child.kill("SIGKILL"), START_MS);
    this.ready.then(
      () => clearTimeout(late),
      () => clearTimeout(late),
    );
    this.#child.once("exit", (code, signal) => {
      for (const accepted of this.#connections.values()) accepted.left();
      this.#connections.clear();
      const how = signal ?? `code ${code}`;
      this.#ready.reject(new Error(`it ended with ${how}`));
      this.#drained.resolve();
      this.#gone.resolve();
      // One that is forgotten too late is one that has ended.
      forgetWorker(options.directories, this.#child.pid!).catch(() => {});
      options.onExit(this, how);
    });
    this.#introduce(options).catch((error) => {
      this.#ready.reject(error);
      this.#child.kill("SIGKILL");
    });
  }

  async #introduce({ number, directories, logToStdout }: WorkerOptions): Promise<void> {
    const { pid } = this.#child;
    if (pid !== undefined) await noteWorker(directories, pid);
    this.#send({ kind: "start", number, directories, logToStdout, incarnation: serverIncarnation() });
  }

  /** It serves; rejects when it ended before that. */
  get ready(): Promise<void> {
    return this.#ready.promise;
  }
  /** From now on connections may be handed to it. */
  serves(): void {
    if (this.stage === "starting") this.stage = "serving";
    this.idleSince = Date.now();
  }
  get gone(): Promise<void> {
    return this.#gone.promise;
  }
  get pid(): number | undefined {
    return this.#child.pid;
  }
  /** It was told to end. */
  get wasAsked(): boolean {
    return this.#asked;
  }
  /** Sockets on their way to it. */
  get underWay(): number {
    return this.#sent.size;
  }
  /** Clients' connections it has, those on their way among them. */
  get connections(): number {
    return Math.max(this.#connections.size, this.load.connections);
  }

  /** Hands a socket over that nobody reads; see passSocket. */
  take(socket: Socket, accepted: Accepted, connection: number, state?: SessionState): void {
    const { protocol, proxyProtocol } = accepted.listener;
    this.#connections.set(connection, accepted);
    this.#sent.add(connection);
    this.idleSince = undefined;
    const message: ToWorker =
      state === undefined
        ? { kind: "connection", connection, protocol, proxyProtocol }
        : { kind: "session", connection, protocol, state };
    passSocket(this.#child, message, socket, () => this.#left(connection));
  }
  /** Whether a connection of this worker's may stay, now that its client is known. */
  admit(connection: number, address: string): Refused | undefined {
    return this.#connections.get(connection)?.admit(address);
  }

  /** Lets its connections end within the time; resolves when they have, or it has. */
  drain(graceMs: number): Promise<void> {
    this.stage = "ending";
    this.#asked = true;
    this.#send({ kind: "drain", graceMs });
    return this.#drained.promise;
  }
  /** Lets it put everything on disk and end; kills it when it has not after `limitMs`. */
  async exit(limitMs: number): Promise<void> {
    this.#send({ kind: "exit" });
    const late = setTimeout(() => this.#child.kill("SIGKILL"), limitMs);
    await this.gone;
    clearTimeout(late);
  }

  #heard(message: FromWorker): void {
    switch (message.kind) {
      case "ready":
        this.#ready.resolve();
        return;
      case "taken":
        this.#sent.delete(message.connection);
        return;
      case "left":
        this.#left(message.connection);
        return;
      case "load":
        this.load = message.load;
        if (this.connections > 0) this.idleSince = undefined;
        else this.idleSince ??= Date.now();
        return;
      case "sync-failed":
        syncFailures.take(message.failure);
        return;
      case "drained":
        this.#drained.resolve();
    }
  }
  #left(connection: number): void {
    this.#sent.delete(connection);
    this.#connections.get(connection)?.left();
    this.#connections.delete(connection);
  }
  #send(message: ToWorker): void {
    if (this.#child.connected) this.#child.send(message);
  }
}
