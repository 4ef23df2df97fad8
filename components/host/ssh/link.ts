/**
 * One ssh connection for everything a deployment does on a machine: dialled by the first who needs it, shared by all, dialled
 * again after it broke. Whatever runs over it has a channel of its own (RFC 4254 §5); sshd allows ten at a time
 * (`MaxSessions`), so the others wait here.
 */
import type { Duplex } from "node:stream";
import type { Client, ClientChannel } from "ssh2";
import type { Limit } from "../connection.ts";
import { HostError } from "../host-error.ts";
import type { SshConnection } from "./connection-schema.ts";
import { type Dialled, dial, nameOf } from "./dial.ts";
import { FIRST_USE } from "./host-key.ts";

/** How long one attempt to connect may take, the jump host's included. */
const DIAL_MS = 20_000;
/** Channels at a time: below sshd's own limit, so that a person may log in, too. */
const CHANNELS = 8;

const exits = new WeakMap<ClientChannel, { code: number | null }>();

/** A short command's end may come in the packet that opens its channel, before anybody else can listen. */
function noteExit(channel: ClientChannel): void {
  channel.once("exit", (code: number | null) => exits.set(channel, { code }));
}

/** How a channel's command ended: its code, null for a signal; undefined where the connection broke before. */
export const exitOf = (channel: ClientChannel): number | null | undefined => exits.get(channel)?.code;

interface Way {
  readonly client: Client;
  readonly hostKey: Buffer;
  readonly jump: Client | undefined;
}

export class Link {
  readonly name: string;
  readonly #to: SshConnection;
  #way: Promise<Way> | undefined;
  #used = 0;
  readonly #waiting: (() => void)[] = [];
  #closed = false;

  constructor(to: SshConnection) {
    this.#to = to;
    this.name = nameOf(to);
  }

  /** The key the machine proved. */
  async hostKey(limit: Limit): Promise<Buffer> {
    return (await this.#ready(limit)).hostKey;
  }

  /** Runs a command for its channel; the channel's `close` gives its place to the next. */
  exec(command: string, limit: Limit): Promise<ClientChannel> {
    return this.#open(limit, "session", (client, opened) => client.exec(command, opened));
  }

  /** A connection from the machine to an address it sees (direct-tcpip, RFC 4254 §7.2). */
  connectFrom(address: string, port: number, limit: Limit): Promise<ClientChannel> {
    return this.#open(limit, "connection", (client, opened) =>
      client.forwardOut("127.0.0.1", 0, address, port, opened),
    );
  }

  async close(): Promise<void> {
    this.#closed = true;
    const way = await this.#way?.catch(() => undefined);
    way?.client.end();
    way?.jump?.end();
  }

  async #open(
    limit: Limit,
    kind: "session" | "connection",
    open: (client: Client, opened: (error: Error | undefined, channel: ClientChannel) => void) => unknown,
  ): Promise<ClientChannel> {
    if (this.#to.hostKey === FIRST_USE)
      throw new HostError(
        "host-key",
        `The host key of ${this.name} is not pinned: with "${FIRST_USE}" a provider serves the HostKey resource alone, whose ` +
          "fingerprint is the hostKey of the provider for everything else.",
      );
    for (;;) {
      const { client } = await this.#ready(limit);
      await this.#place(limit);
      const outcome = await before(
        limit,
        new Promise<ClientChannel | (Error & { reason?: unknown })>((resolve) => {
          try {
            open(client, (error, channel) => {
              if (!error) noteExit(channel);
              resolve(error ?? channel);
            });
          } catch (error) {
            resolve(error instanceof Error ? error : new Error(String(error)));
          }
        }),
        () => new HostError("unreachable", `${this.name} opened no channel in time.`),
      ).catch((error) => {
        this.#release();
        throw error;
      });
      if (!(outcome instanceof Error)) {
        outcome.once("close", () => this.#release());
        return outcome;
      }
      this.#release();
      // A machine that allows fewer sessions: another one ends first.
      const refused = outcome.reason !== undefined && kind === "session";
      if (refused && this.#used > 0 && Date.now() < limit.deadline) {
        await this.#somethingEnds(limit);
        continue;
      }
      throw new HostError(
        outcome.reason === undefined ? "unreachable" : "permission",
        `${this.name} opens no channel: ${outcome.message.replace(/^\(SSH\) /, "")}.`,
      );
    }
  }

  /** The connection; whoever waits gives up at their own limit, the attempt goes on for the others. */
  #ready(limit: Limit): Promise<Way> {
    if (this.#closed) throw new HostError("unreachable", `The connection to ${this.name} was closed.`);
    if (!this.#way) {
      const way = this.#dial();
      this.#way = way;
      const forget = () => {
        if (this.#way === way) this.#way = undefined;
      };
      way.then(({ client, jump }) => {
        client.once("close", () => {
          forget();
          jump?.end();
        });
        // What breaks later shows where it is used: each open channel closes.
        client.on("error", forget);
        jump?.on("error", forget);
        if (this.#closed) client.end();
      }, forget);
    }
    return before(
      limit,
      this.#way,
      () => new HostError("unreachable", `${this.name} did not answer by ssh in time.`),
    );
  }

  async #dial(): Promise<Way> {
    const { jump, ...to } = this.#to;
    if (!jump) return { ...(await dial(to, DIAL_MS)), jump: undefined };
    let over: Dialled | undefined;
    try {
      over = await dial(jump, DIAL_MS);
      const { client } = over;
      const way = await dial(to, DIAL_MS, (host, port) => tunnel(client, nameOf(jump), host, port));
      return { ...way, jump: client };
    } catch (error) {
      over?.client.end();
      throw error;
    }
  }

  async #place(limit: Limit): Promise<void> {
    while (this.#used >= CHANNELS) await this.#somethingEnds(limit);
    this.#used++;
  }

  #somethingEnds(limit: Limit): Promise<void> {
    return before(
      limit,
      new Promise<void>((resolve) => this.#waiting.push(resolve)),
      () => new HostError("unreachable", `${this.name} was busy with other steps for too long.`),
    );
  }

  #release(): void {
    this.#used--;
    this.#waiting.shift()?.();
  }
}

function tunnel(client: Client, over: string, host: string, port: number): Promise<Duplex> {
  return new Promise((resolve, reject) => {
    client.forwardOut("127.0.0.1", 0, host, port, (error, channel) => {
      if (!error) return resolve(channel);
      const said = error.message.replace(/^\(SSH\) /, "");
      reject(new HostError("unreachable", `${over} does not connect on to ${host} port ${port}: ${said}.`));
    });
  });
}

/** The value, or the error where the limit passes first. */
async function before<T>(limit: Limit, value: Promise<T>, late: () => HostError): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  let aborted: (() => void) | undefined;
  const tooLate = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(late()), Math.max(0, limit.deadline - Date.now()));
    aborted = () => reject(new HostError("unreachable", "The operation was cancelled."));
    limit.signal?.addEventListener("abort", aborted, { once: true });
  });
  try {
    return await Promise.race([value, tooLate]);
  } finally {
    clearTimeout(timer);
    if (aborted) limit.signal?.removeEventListener("abort", aborted);
  }
}
