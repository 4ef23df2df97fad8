/**
 * A mail server in a Docker container. The container itself is declared with @pulumi/docker; here is what happens in it and
 * on its host: directories made by a short-lived container of the same image, operations by `docker exec` where the server's
 * container runs and by a short-lived container on the same directories where none does, and the wait until it is healthy.
 */
import { randomBytes } from "node:crypto";
import { posix } from "node:path";
import { setTimeout as wait } from "node:timers/promises";
import type {
  OperationAnswer,
  OperationName,
  OperationRequest,
} from "../../../mailserver-runtime/admin/contract.ts";
import type { Directories } from "../../../mailserver-runtime/settings/directories.ts";
import { AdminLines } from "../admin-lines.ts";
import type { Host, Limit, ServerState, StartServer } from "../connection.ts";
import { HostError } from "../host-error.ts";
import { readAnswer } from "../read-answer.ts";
import type { DockerConnection } from "./connection-schema.ts";
import { directoriesOf, MAIL_USER, shortLived, volumePaths, volumes } from "./container-layout.ts";
import { type Container, DockerEngine, type NewContainer } from "./engine-api.ts";
import { textOf } from "./output-frames.ts";
import { programInContainer } from "./program-in-container.ts";

/** The URN of the resource that declared the server, on its container. */
export const OWNER_LABEL = "mailkeep.server";
const PROGRAM = "/usr/local/bin/mailkeep";
/** Where the parent of the data directory is mounted while directories are made. */
const PARENT = "/mnt";
const POLL_MS = 250;
const LOG_LINES = 20;
const STOP_LIMIT_MS = 20_000;

/** Makes the connection; touches nothing yet. */
export function connectDocker(connection: DockerConnection): Host {
  return new DockerHost(connection, new DockerEngine(connection));
}

class DockerHost implements Host {
  readonly description: string;
  readonly directories: Directories;
  /** A short-lived container answers what no running one does. */
  readonly patienceMs = 4_000;
  readonly #connection: DockerConnection;
  readonly #engine: DockerEngine;
  /** In the server's container. */
  readonly #inside: AdminLines;
  /** On the directories, where the container does not run. */
  readonly #beside: AdminLines;

  constructor(connection: DockerConnection, engine: DockerEngine) {
    this.#connection = connection;
    this.#engine = engine;
    this.description = `container ${connection.container} of ${engine.name}`;
    this.directories = directoriesOf(connection.directory);
    this.#inside = new AdminLines(() => programInContainer(() => this.#execAdmin()));
    this.#beside = new AdminLines(() => programInContainer(() => this.#runAdmin()));
  }

  async perform<N extends OperationName>(
    operation: N,
    request: OperationRequest<N>,
    limit: Limit,
  ): Promise<OperationAnswer<N>> {
    const line = JSON.stringify({ operation, request });
    const container = await this.#engine.container(this.#connection.container, limit);
    const lines = container?.State.Running === true ? this.#inside : this.#beside;
    return readAnswer(operation, await lines.ask(line, limit));
  }

  async makeDirectories(limit: Limit): Promise<void> {
    await this.#refuseTooLittleMemory(limit);
    // Made only where it is missing: an administrator may have made it with other rights.
    const script = `set -eu; umask 077
for name in ${volumes.join(" ")}; do
  if ! [ -d "$1/$name" ]; then mkdir -p -- "$1/$name"; chown ${MAIL_USER}:${MAIL_USER} -- "$1/$name"; fi
done`;
    const { code, said } = await this.#runScript(script, limit);
    if (code === 0) return;
    const full = /no space left/i.test(said);
    throw new HostError(
      full ? "no-space" : "permission",
      `The directories below ${this.#connection.directory} cannot be made on the host of ${this.#engine.name}: ${said.trim()}`,
    );
  }

  async hasDirectories(limit: Limit): Promise<boolean> {
    const container = await this.#engine.container(this.#connection.container, limit);
    if (container?.State.Running === true) return true;
    const script = `for name in ${volumes.join(" ")}; do [ -d "$1/$name" ] || exit 9; done`;
    const { code, said } = await this.#runScript(script, limit);
    if (code === 0 || code === 9) return code === 0;
    throw new HostError("internal", `${this.description} cannot look at its directories: ${said.trim()}`);
  }

  /** The id of the declared image; its name where the engine cannot be asked. */
  async runtimeVersion(): Promise<string> {
    const limit = { deadline: Date.now() + 2_000 };
    const { image } = this.#connection;
    return (await this.#engine.imageId(image, limit).catch(() => undefined)) ?? image;
  }

  async serverState(limit: Limit): Promise<ServerState> {
    try {
      const container = await this.#engine.container(this.#connection.container, limit);
      if (container?.State.Running !== true) return { kind: "stopped" };
      return { kind: "running", version: container.Image, owner: container.Config.Labels?.[OWNER_LABEL] };
    } catch (error) {
      return { kind: "unreachable", reason: error instanceof Error ? error.message : String(error) };
    }
  }

  async startServer(_wanted: StartServer, limit: Limit): Promise<void> {
    const name = this.#connection.container;
    const container = await this.#engine.container(name, limit);
    if (container === undefined)
      throw new HostError(
        "not-found",
        `${this.description} is not there: it was removed by hand. Run 'pulumi refresh', then 'pulumi up' makes it again; its mail lies in ${this.#connection.directory}.`,
      );
    await this.#beside.end();
    if (!container.State.Running) await this.#engine.start(container.Id, limit);
    await this.#becomeHealthy(limit);
  }

  async stopServer(graceMs: number, limit: Limit): Promise<void> {
    const container = await this.#engine.container(this.#connection.container, limit);
    if (container?.State.Running !== true) return;
    await this.#inside.end();
    const patience = { ...limit, deadline: Math.max(limit.deadline, Date.now() + STOP_LIMIT_MS) };
    await this.#engine.stop(container.Id, Math.ceil(graceMs / 1000), patience);
  }

  async close(): Promise<void> {
    await Promise.all([this.#inside.end(), this.#beside.end()]);
    this.#engine.close();
  }

  /** Healthy: the server inside has proven to itself that mail is taken, stored and read (`health`). */
  async #becomeHealthy(limit: Limit): Promise<void> {
    for (let problem = "it does not answer yet"; ; await wait(POLL_MS)) {
      const container = await this.#engine.container(this.#connection.container, limit);
      if (container?.State.Running !== true || container.State.Restarting === true)
        throw await this.#startFailure(endOf(container), limit);
      try {
        const health = await this.perform("health", {}, limit);
        if (health.state !== "unhealthy") return;
        problem = health.reasons.join("; ");
      } catch (error) {
        if (!(error instanceof HostError) || error.code === "protocol") throw error;
        problem = error.message;
      }
      if (Date.now() + POLL_MS >= limit.deadline || limit.signal?.aborted)
        throw await this.#startFailure(`did not become healthy in time: ${problem}`, {
          deadline: Date.now() + 5_000,
        });
    }
  }

  async #startFailure(what: string, limit: Limit): Promise<HostError> {
    const said = await this.#engine
      .lastLines(this.#connection.container, LOG_LINES, limit)
      .then(textOf, () => "");
    const lines = said
      .trim()
      .split("\n")
      .map((line) => `\n  ${line.slice(0, 500)}`);
    const quoted = said.trim() === "" ? ", and has said nothing." : `. The end of its log:${lines.join("")}`;
    return new HostError("unhealthy", `The mail server in ${this.description} ${what}${quoted}`);
  }

  async #refuseTooLittleMemory(limit: Limit): Promise<void> {
    const needed = this.#connection.memoryBytes;
    if (needed === 0) return;
    const present = await this.#engine.memoryBytes(limit);
    if (present >= needed) return;
    const mebibytes = (bytes: number) => `${Math.round(bytes / 2 ** 20)} MiB`;
    throw new HostError(
      "unsupported",
      `The host of ${this.#engine.name} has ${mebibytes(present)} of memory; the server and its sidecars need ${mebibytes(needed)}. Declare fewer sidecars, or take a larger host.`,
    );
  }

  async #execAdmin() {
    const limit = { deadline: Date.now() + 30_000 };
    const { id, ...streams } = await this.#engine.exec(this.#connection.container, [PROGRAM, "admin"], limit);
    return {
      streams,
      code: () => this.#engine.execCode(id, { deadline: Date.now() + 5_000 }),
      // Its standard input has ended, so it ends.
      end: async () => {},
    };
  }

  async #runAdmin() {
    const limit = { deadline: Date.now() + 30_000 };
    const binds = volumePaths(this.#connection.directory).map(
      ({ hostPath, containerPath }) => `${hostPath}:${containerPath}`,
    );
    const id = await this.#engine.create(
      this.#task({ Cmd: ["admin"], HostConfig: shortLived(binds) }),
      limit,
    );
    const streams = await this.#engine.attach(id, limit);
    const ended = this.#engine.ended(id, { deadline: Date.now() + 3_600_000 });
    ended.catch(() => {});
    await this.#engine.start(id, limit);
    return {
      streams,
      code: () => ended,
      end: () => this.#engine.remove(id, { deadline: Date.now() + 10_000 }),
    };
  }

  /** Runs a script on the host's directories; `$1` is the data directory. */
  async #runScript(script: string, limit: Limit): Promise<{ readonly code: number; readonly said: string }> {
    const { directory } = this.#connection;
    const [parent, name] = [posix.dirname(directory), posix.basename(directory)];
    const id = await this.#engine.create(
      this.#task({
        Entrypoint: ["/bin/sh", "-c", script, "sh", `${PARENT}/${name}`],
        HostConfig: { ...shortLived([`${parent}:${PARENT}`]), AutoRemove: false },
      }),
      limit,
    );
    try {
      await this.#engine.start(id, limit);
      const code = await this.#engine.ended(id, limit);
      return { code, said: textOf(await this.#engine.lastLines(id, LOG_LINES, limit)) };
    } finally {
      await this.#engine.remove(id, { deadline: Date.now() + 10_000 }).catch(() => {});
    }
  }

  #task(what: Omit<NewContainer, "Image">): NewContainer {
    return {
      ...what,
      Image: this.#connection.image,
      OpenStdin: true,
      StdinOnce: true,
      AttachStdin: true,
      AttachStdout: true,
      AttachStderr: true,
      Healthcheck: { Test: ["NONE"] },
      Labels: { "mailkeep.task": `${this.#connection.container}-${randomBytes(4).toString("hex")}` },
    };
  }
}

function endOf(container: Container | undefined): string {
  if (container === undefined) return "was removed while it started";
  const { ExitCode, Error: why, OOMKilled } = container.State;
  if (OOMKilled === true) return "was ended by the kernel: its memory limit is too low";
  return `ended with code ${ExitCode} while it started${why ? ` (${why})` : ""}`;
}
