/**
 * This machine as a mail host: directories below one place, the runtime as a background process in a session of its own.
 *
 * The process outlives the command that started it and the terminal: it has its own session, and its output goes to
 * `log/server.log`. It is found again by the server's answer on its admin socket, or by process id and start time.
 */
import { spawn } from "node:child_process";
import { closeSync, openSync } from "node:fs";
import { access, mkdir, readFile, stat } from "node:fs/promises";
import { join, resolve } from "node:path";
import { setTimeout as wait } from "node:timers/promises";
import type {
  OperationAnswer,
  OperationName,
  OperationRequest,
} from "../../../mailserver-runtime/admin/contract.ts";
import { type Directories, directoriesBelow } from "../../../mailserver-runtime/settings/directories.ts";
import { AdminLines } from "../admin-lines.ts";
import { firstProblem } from "../banner.ts";
import type { Host, Limit, LocalConnection, ServerState, StartServer } from "../connection.ts";
import { HostError } from "../host-error.ts";
import { describeHolders, portHolders } from "../ports.ts";
import { readAnswer } from "../read-answer.ts";
import { askServer } from "./admin-socket.ts";
import { type Declaration, readDeclaration, writeDeclaration } from "./declaration.ts";
import { startOfflineAdmin } from "./offline-admin.ts";
import { ended, identify, isAlive, type ProcessIdentity, signal } from "./process.ts";
import { runtimeEnvironment, runtimeVersion, serverMain } from "./runtime.ts";

const OUTPUT_FILE = "server.log";
/** The runtime's own log. */
const LOG_FILE = "mail.log";
const LOG_LINES = 20;
const POLL_MS = 25;
/** How long a process may take to end after its grace, before SIGTERM, and after SIGTERM, before SIGKILL. */
const STOP_PATIENCE_MS = 3_000;
/** How long a server that works takes to answer, at most. */
const ANSWER_PATIENCE_MS = 2_000;
/** How long a process that was killed may keep its sockets. */
const PORT_PATIENCE_MS = 1_500;

/** Makes the connection; touches nothing yet. */
export function connectLocal({ directory }: LocalConnection): Host {
  return new LocalHost(resolve(directory));
}

class LocalHost implements Host {
  readonly description: string;
  readonly directories: Directories;
  readonly patienceMs = 1_000;
  readonly #root: string;
  readonly #offline: AdminLines;
  /** What the process prints, and what it logs. */
  readonly #logFiles: readonly [string, string];

  constructor(root: string) {
    this.#root = root;
    this.description = `this machine (${root})`;
    this.directories = directoriesBelow(root);
    this.#logFiles = [join(this.directories.log, OUTPUT_FILE), join(this.directories.log, LOG_FILE)];
    this.#offline = new AdminLines(() => startOfflineAdmin(root, this.directories.run));
  }

  async perform<N extends OperationName>(
    operation: N,
    request: OperationRequest<N>,
    limit: Limit,
  ): Promise<OperationAnswer<N>> {
    const line = JSON.stringify({ operation, request });
    const text =
      (await askServer(this.directories.run, line, limit)) ?? (await this.#offline.ask(line, limit));
    return readAnswer(operation, text);
  }

  async makeDirectories(): Promise<void> {
    for (const directory of Object.values<string>({ ...this.directories }))
      await mkdir(directory, { recursive: true, mode: 0o700 });
  }

  async hasDirectories(): Promise<boolean> {
    const found = await Promise.all(
      Object.values<string>({ ...this.directories }).map((directory) =>
        access(directory).then(
          () => true,
          () => false,
        ),
      ),
    );
    return found.every(Boolean);
  }

  async runtimeVersion(): Promise<string> {
    return runtimeVersion();
  }

  async serverState(limit: Limit): Promise<ServerState> {
    try {
      const declaration = await this.#liveDeclaration();
      const line = await askServer(
        this.directories.run,
        JSON.stringify({ operation: "status", request: {} }),
        limit,
      );
      if (line === undefined) return { kind: "stopped" };
      const status = readAnswer("status", line);
      // A declaration of another process says nothing about the one that answers.
      const mine = declaration && (status.pid === undefined || status.pid === declaration.pid);
      return {
        kind: "running",
        version: mine ? declaration.version : undefined,
        owner: mine ? declaration.owner : undefined,
      };
    } catch (error) {
      return { kind: "unreachable", reason: error instanceof Error ? error.message : String(error) };
    }
  }

  async startServer(wanted: StartServer, limit: Limit): Promise<void> {
    const state = await this.serverState(within(limit, ANSWER_PATIENCE_MS));
    const declaration = await this.#liveDeclaration();
    // A process of ours that hangs is replaced; what somebody else's does, only they know.
    if (state.kind === "unreachable" && !declaration) throw new HostError("unreachable", state.reason);
    if (state.kind !== "stopped") {
      const asWanted = state.kind === "running" && declaration?.version === wanted.version;
      if (asWanted && (await firstProblem(wanted.listeners, patience(limit))) === undefined) {
        await writeDeclaration(this.directories.run, { ...declaration, owner: wanted.owner });
        return;
      }
      await this.stopServer(10_000, limit);
    }
    await this.#refuseTakenPorts(wanted);
    await this.#offline.end();
    const said = await Promise.all(this.#logFiles.map(sizeOf));
    const started = await this.#spawn(wanted);
    await this.#becomeHealthy(started, wanted, limit, said);
  }

  async stopServer(graceMs: number, limit: Limit): Promise<void> {
    const identity = await this.#runningProcess(limit);
    if (!identity) return;
    const line = JSON.stringify({ operation: "stop", request: { graceMs } });
    const heard = await askServer(this.directories.run, line, within(limit, ANSWER_PATIENCE_MS)).catch(
      () => undefined, // A server that does not answer is stopped by signal.
    );
    if (heard !== undefined && (await ended(identity, graceMs + STOP_PATIENCE_MS))) return;
    for (const name of ["SIGTERM", "SIGKILL"] as const) {
      await signal(identity, name);
      if (await ended(identity, STOP_PATIENCE_MS)) return;
    }
    throw new HostError("internal", `Process ${identity.pid} does not end, not even by SIGKILL.`);
  }

  async close(): Promise<void> {
    await this.#offline.end();
  }

  async #liveDeclaration(): Promise<Declaration | undefined> {
    const declaration = await readDeclaration(this.directories.run);
    return declaration && (await isAlive(declaration)) ? declaration : undefined;
  }

  /** The server's process: what the server itself says, else what was declared. */
  async #runningProcess(limit: Limit): Promise<ProcessIdentity | undefined> {
    const question = JSON.stringify({ operation: "status", request: {} });
    const line = await askServer(this.directories.run, question, within(limit, ANSWER_PATIENCE_MS)).catch(
      () => undefined,
    );
    const pid = line === undefined ? undefined : readAnswer("status", line).pid;
    return pid === undefined ? this.#liveDeclaration() : identify(pid);
  }

  /** A process that was just killed may hold its sockets a moment longer. */
  async #refuseTakenPorts({ listeners }: StartServer): Promise<void> {
    const ports = listeners.map(({ port }) => port).filter((port) => port !== 0);
    const until = Date.now() + PORT_PATIENCE_MS;
    let holders = await portHolders(ports);
    while (holders.length > 0 && Date.now() < until) {
      await wait(POLL_MS);
      holders = await portHolders(ports);
    }
    if (holders.length === 0) return;
    throw new HostError(
      "port-taken",
      `The mail server cannot start: taken ${holders.length === 1 ? "is" : "are"} ${describeHolders(holders)}. ` +
        "End that process or declare other ports (server.portBase or server.ports).",
    );
  }

  async #spawn({ version, owner }: StartServer): Promise<Declaration> {
    const log = openSync(this.#logFiles[0], "a", 0o600);
    try {
      const child = spawn(process.execPath, [serverMain, "--root", this.#root], {
        cwd: this.#root,
        detached: true,
        env: runtimeEnvironment(this.directories.run),
        stdio: ["ignore", log, log],
      });
      const pid = await new Promise<number>((started, failed) => {
        child.on("spawn", () => started(child.pid as number));
        child.on("error", failed);
      });
      child.unref();
      const identity = (await identify(pid)) ?? { pid, startTime: "" };
      const declaration = { ...identity, version, owner };
      await writeDeclaration(this.directories.run, declaration);
      return declaration;
    } finally {
      closeSync(log);
    }
  }

  /** Healthy: every listener greets and the admin socket answers. A process that is not healthy in time is ended. */
  async #becomeHealthy(
    process: ProcessIdentity,
    wanted: StartServer,
    limit: Limit,
    said: readonly number[],
  ): Promise<void> {
    for (;;) {
      const state = await this.serverState(within(limit, ANSWER_PATIENCE_MS));
      const problem =
        state.kind === "running"
          ? await firstProblem(wanted.listeners, patience(limit))
          : "its admin socket does not answer yet";
      if (problem === undefined) return;
      if (!(await isAlive(process))) throw await this.#startFailure("ended while it started", said);
      if (Date.now() >= limit.deadline || limit.signal?.aborted) {
        const failure = await this.#startFailure(`did not become healthy in time: ${problem}`, said);
        await signal(process, "SIGTERM");
        if (!(await ended(process, STOP_PATIENCE_MS))) await signal(process, "SIGKILL");
        throw failure;
      }
      await wait(POLL_MS);
    }
  }

  /** Quotes what was said since this start: what the process printed, else what it logged. */
  async #startFailure(what: string, said: readonly number[]): Promise<HostError> {
    for (const [index, file] of this.#logFiles.entries()) {
      const log = await readFile(file).catch(() => Buffer.alloc(0));
      const text = log.subarray(said[index]).toString("utf8").trim();
      if (text === "") continue;
      const lines = text.split("\n").slice(-LOG_LINES);
      const quoted = lines.map((line) => `  ${line.slice(0, 500)}`).join("\n");
      return new HostError("unhealthy", `The mail server ${what}. The end of ${file}:\n${quoted}`);
    }
    return new HostError("unhealthy", `The mail server ${what}, and has said nothing.`);
  }
}

/** The limit, or an earlier one in so many milliseconds. */
const within = (limit: Limit, milliseconds: number): Limit => ({
  ...limit,
  deadline: Math.min(limit.deadline, Date.now() + milliseconds),
});

const sizeOf = (file: string) =>
  stat(file).then(
    ({ size }) => size,
    () => 0,
  );

const patience = ({ deadline }: Limit) => Math.max(1, Math.min(ANSWER_PATIENCE_MS, deadline - Date.now()));
