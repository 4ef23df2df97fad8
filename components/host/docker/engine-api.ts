/**
 * The part of the Docker engine's API that a mail host needs (docs.docker.com/reference/api/engine), over whatever
 * connection `engine-address.ts` opens. Answers are checked, failures are `HostError`s that name the engine and the way out.
 */
import { Agent, type IncomingMessage, request } from "node:http";
import type { Duplex } from "node:stream";
import { z } from "zod";
import type { Limit } from "../connection.ts";
import { HostError, type HostErrorCode } from "../host-error.ts";
import { type Dial, dialer, type EngineAddress } from "./engine-address.ts";

/** Docker 20.10 (December 2020): the first whose containers may bind low ports without root. */
const LOWEST_API = "1.41";
const ANSWER_LIMIT = 16 << 20;

const versionAnswer = z.object({ ApiVersion: z.string(), Version: z.string() });
const infoAnswer = z.object({
  MemTotal: z.number(),
  OSType: z.string().optional(),
  Architecture: z.string(),
});
const imageAnswer = z.object({ Id: z.string(), RepoDigests: z.array(z.string()).nullish() });
const containerAnswer = z.object({
  Id: z.string(),
  Image: z.string(),
  Config: z.object({ Labels: z.record(z.string(), z.string()).nullish() }),
  State: z.object({
    Running: z.boolean(),
    Restarting: z.boolean().optional(),
    ExitCode: z.number(),
    Error: z.string().optional(),
    OOMKilled: z.boolean().optional(),
  }),
});
export type Container = z.infer<typeof containerAnswer>;

/** What a container is made with; see ContainerCreate of the API. */
export interface NewContainer {
  readonly Image: string;
  readonly Entrypoint?: readonly string[];
  readonly Cmd?: readonly string[];
  readonly [field: string]: unknown;
}

/** The standard streams of a program in a container. */
export interface AttachedStreams {
  readonly socket: Duplex;
  /** What had come with the answer's head. */
  readonly head: Buffer;
}

export class DockerEngine {
  readonly name: string;
  readonly #agent: Agent;
  #checked: Promise<void> | undefined;

  constructor(address: EngineAddress, dial: Dial = dialer(address)) {
    this.name = `the Docker engine at ${address.address}`;
    this.#agent = new Agent({ keepAlive: true, maxSockets: 8, keepAliveMsecs: 1_000 });
    this.#agent.createConnection = () => dial();
  }

  close(): void {
    this.#agent.destroy();
  }

  async memoryBytes(limit: Limit): Promise<number> {
    return infoAnswer.parse(await this.#json("GET", "/info", limit)).MemTotal;
  }

  /** The id of an image that the engine has; undefined where it has none of that name. */
  async imageId(reference: string, limit: Limit): Promise<string | undefined> {
    const found = await this.#optional(`/images/${encodeURIComponent(reference)}/json`, limit);
    return found === undefined ? undefined : imageAnswer.parse(found).Id;
  }

  async container(name: string, limit: Limit): Promise<Container | undefined> {
    const found = await this.#optional(`/containers/${encodeURIComponent(name)}/json`, limit);
    return found === undefined ? undefined : containerAnswer.parse(found);
  }

  /** Makes a container, which does not run yet; gives its id. */
  async create(container: NewContainer, limit: Limit): Promise<string> {
    const made = await this.#json("POST", "/containers/create", limit, container);
    return z.object({ Id: z.string() }).parse(made).Id;
  }

  async start(id: string, limit: Limit): Promise<void> {
    await this.#json("POST", `/containers/${encodeURIComponent(id)}/start`, limit);
  }

  /** Asks it to end, and ends it after the grace. One that does not run is no error. */
  async stop(id: string, graceSeconds: number, limit: Limit): Promise<void> {
    await this.#json("POST", `/containers/${encodeURIComponent(id)}/stop?t=${graceSeconds}`, limit);
  }

  /** The code it ends with. */
  async ended(id: string, limit: Limit): Promise<number> {
    const answer = await this.#json("POST", `/containers/${encodeURIComponent(id)}/wait`, limit);
    return z.object({ StatusCode: z.number() }).parse(answer).StatusCode;
  }

  async remove(id: string, limit: Limit): Promise<void> {
    await this.#optional(`/containers/${encodeURIComponent(id)}?force=true&v=true`, limit, "DELETE");
  }

  /** The last lines of its output, as they came. */
  async lastLines(id: string, lines: number, limit: Limit): Promise<Buffer> {
    const path = `/containers/${encodeURIComponent(id)}/logs?stdout=1&stderr=1&tail=${lines}`;
    return (await this.#exchange("GET", path, limit)).body;
  }

  /** Joins the standard streams of a container that has not started yet. */
  attach(id: string, limit: Limit): Promise<AttachedStreams> {
    return this.#hijack(`/containers/${id}/attach?stream=1&stdin=1&stdout=1&stderr=1`, undefined, limit);
  }

  /** Starts a program in a running container and joins its standard streams; gives its id too. */
  async exec(
    container: string,
    command: readonly string[],
    limit: Limit,
  ): Promise<AttachedStreams & { readonly id: string }> {
    const made = await this.#json("POST", `/containers/${encodeURIComponent(container)}/exec`, limit, {
      Cmd: command,
      AttachStdin: true,
      AttachStdout: true,
      AttachStderr: true,
    });
    const { Id: id } = z.object({ Id: z.string() }).parse(made);
    return { id, ...(await this.#hijack(`/exec/${id}/start`, { Detach: false, Tty: false }, limit)) };
  }

  /** The code an exec ended with; undefined while it runs. */
  async execCode(id: string, limit: Limit): Promise<number | undefined> {
    const answer = await this.#json("GET", `/exec/${id}/json`, limit);
    return z.object({ ExitCode: z.number().nullable() }).parse(answer).ExitCode ?? undefined;
  }

  async #optional(path: string, limit: Limit, method = "GET"): Promise<unknown> {
    const { status, body } = await this.#exchange(method, path, limit, undefined, [404]);
    return status === 404 ? undefined : parsed(body);
  }

  async #json(method: string, path: string, limit: Limit, content?: unknown): Promise<unknown> {
    return parsed((await this.#exchange(method, path, limit, content)).body);
  }

  /** The first question is which API it speaks: an engine that is too old says so, not "400 Bad Request". */
  #known(limit: Limit): Promise<void> {
    this.#checked ??= this.#send("GET", "/version", limit).then((answer) => {
      const { ApiVersion, Version } = versionAnswer.parse(parsed(answer.body));
      if (compareVersions(ApiVersion, LOWEST_API) >= 0) return;
      throw new HostError(
        "unsupported",
        `${this.name} is Docker ${Version} (API ${ApiVersion}); mailkeep needs Docker 20.10 (API ${LOWEST_API}) or newer. Upgrade it.`,
      );
    });
    // A failure is for whoever asked; the next one asks again.
    this.#checked.catch(() => {
      this.#checked = undefined;
    });
    return this.#checked;
  }

  async #exchange(
    method: string,
    path: string,
    limit: Limit,
    content?: unknown,
    allowed: readonly number[] = [],
  ): Promise<{ readonly status: number; readonly body: Buffer }> {
    await this.#known(limit);
    const answer = await this.#send(method, path, limit, content);
    // 304: it is so already (a container that is started or stopped).
    if (answer.status < 300 || answer.status === 304 || allowed.includes(answer.status)) return answer;
    throw this.#refusal(method, path, answer.status, answer.body);
  }

  #send(
    method: string,
    path: string,
    limit: Limit,
    content?: unknown,
  ): Promise<{ readonly status: number; readonly body: Buffer }> {
    return new Promise((resolve, reject) => {
      const asked = this.#request(method, path, limit, content, reject);
      asked.on("response", (answer) => {
        readAll(answer).then((body) => resolve({ status: answer.statusCode ?? 0, body }), reject);
      });
      asked.end(content === undefined ? undefined : JSON.stringify(content));
    });
  }

  async #hijack(path: string, content: unknown, limit: Limit): Promise<AttachedStreams> {
    await this.#known(limit);
    return new Promise((resolve, reject) => {
      const asked = this.#request("POST", path, limit, content, reject, {
        Connection: "Upgrade",
        Upgrade: "tcp",
      });
      asked.on("upgrade", (_answer, socket, head) => resolve({ socket, head }));
      asked.on("response", (answer) => {
        readAll(answer).then(
          (body) => reject(this.#refusal("POST", path, answer.statusCode ?? 0, body)),
          reject,
        );
      });
      asked.end(content === undefined ? undefined : JSON.stringify(content));
    });
  }

  #request(
    method: string,
    path: string,
    { deadline, signal }: Limit,
    content: unknown,
    reject: (error: Error) => void,
    headers: Record<string, string> = {},
  ) {
    const asked = request({
      agent: this.#agent,
      method,
      path: path === "/version" ? path : `/v${LOWEST_API}${path}`,
      headers: {
        Host: "docker",
        ...(content !== undefined && { "Content-Type": "application/json" }),
        ...headers,
      },
      ...(signal && { signal }),
    });
    const late = setTimeout(
      () => asked.destroy(new Error("it gave no answer in time")),
      Math.max(1, deadline - Date.now()),
    );
    asked.on("close", () => clearTimeout(late));
    asked.on("upgrade", () => clearTimeout(late));
    asked.on("error", (error) => reject(this.#unreachable(error)));
    return asked;
  }

  #unreachable(error: NodeJS.ErrnoException): HostError {
    const [, why] =
      unreachable.find(([pattern]) => pattern.test(`${error.code ?? ""} ${error.message}`)) ?? [];
    return new HostError(
      "unreachable",
      `${capital(this.name)} cannot be used: ${error.message}.${why === undefined ? "" : ` ${why}`}`,
      { cause: error },
    );
  }

  #refusal(method: string, path: string, status: number, body: Buffer): HostError {
    let said = body.toString("utf8").trim();
    try {
      said = z.object({ message: z.string() }).parse(JSON.parse(said)).message;
    } catch {
      // A proxy's page, or nothing: it is quoted as it is.
    }
    const [, code, way] = refusals.find(([pattern]) => pattern.test(said)) ?? [
      undefined,
      "internal",
      undefined,
    ];
    const place = `${method} ${path.replace(/\?.*$/, "")}`;
    return new HostError(
      code,
      `${capital(this.name)} answered ${status} to ${place}: ${said.slice(0, 500)}.${way === undefined ? "" : ` ${way}`}`,
    );
  }
}

/** What a connection's failure means, first row that fits. */
const unreachable: readonly (readonly [RegExp, string])[] = [
  [/EACCES/, "Add your user to the group docker, or use an engine that you may reach."],
  [/ENOENT|ECONNREFUSED/, "Is Docker installed there, and does it run?"],
  [
    /Host key verification failed/i,
    "Connect once with ssh and compare its key, so that it stands in known_hosts.",
  ],
  [
    /Permission denied \(/i,
    "The docker target uses the keys of your own ssh (agent or ~/.ssh/config); to give a key in the stack's configuration use the target `ssh`.",
  ],
  [/certificate|self.signed|unable to verify/i, "ca.pem, cert.pem and key.pem must be those of this engine."],
  [/command not found|docker: not found/i, "Docker is not installed on that machine."],
];

/** What the engine's refusals mean. */
const refusals: readonly (readonly [RegExp, HostErrorCode, string])[] = [
  [
    /no space left on device/i,
    "no-space",
    "The disk of the engine is full: 'docker system df' shows what may go.",
  ],
  [
    /port is already allocated|address already in use/i,
    "port-taken",
    "End what holds the port, or declare another one (server.ports).",
  ],
  [/No such image/i, "not-found", "It was removed: run 'pulumi refresh', then 'pulumi up'."],
  [
    /No such container|is not running/i,
    "not-found",
    "It was removed or stopped by hand: run 'pulumi refresh', then 'pulumi up'.",
  ],
  [
    /bind source path does not exist|invalid mount config/i,
    "not-found",
    "The directory on the Docker host is gone.",
  ],
];

async function readAll(answer: IncomingMessage): Promise<Buffer> {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of answer as AsyncIterable<Buffer>) {
    size += chunk.length;
    if (size > ANSWER_LIMIT)
      throw new HostError("protocol", "The Docker engine sends an answer without an end.");
    chunks.push(chunk);
  }
  return Buffer.concat(chunks);
}

const parsed = (body: Buffer): unknown => (body.length === 0 ? undefined : JSON.parse(body.toString("utf8")));

/** Of `1.41` and the like. */
export function compareVersions(left: string, right: string): number {
  const parts = (text: string) => text.split(".").map(Number);
  const [a, b] = [parts(left), parts(right)];
  return (a[0] ?? 0) - (b[0] ?? 0) || (a[1] ?? 0) - (b[1] ?? 0);
}

const capital = (text: string): string => text.charAt(0).toUpperCase() + text.slice(1);
