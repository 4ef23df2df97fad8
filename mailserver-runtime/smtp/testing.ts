/** A server for the tests of this room: real sockets, and stores, queues and routes that remember what they were asked. */
import { once } from "node:events";
import { chmod, mkdtemp, rm } from "node:fs/promises";
import { connect, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { TestContext } from "node:test";
import type { Authenticator } from "../auth/authenticator.ts";
import type { Snapshot } from "../config/snapshot.ts";
import type { MessageContent } from "../message/content.ts";
import { type Listening, type ListenOptions, listen } from "../net/listen.ts";
import type { Log } from "../net/log.ts";
import { testTlsContexts } from "../net/test-certificate.ts";
import { openQuarantine, type Quarantine } from "../quarantine/quarantine.ts";
import type { Prepared, QueueSubmission } from "../queue/queue.ts";
import type { Route } from "../routing/route.ts";
import { type SettingsInput, settingsSchema } from "../settings/schema.ts";
import type { DeliveryRecipient, StoreError } from "../store/mail-store.ts";
import { connectionRefusal, serveSmtp } from "./serve.ts";
import type { SmtpServices } from "./services.ts";
import type { SmtpMode } from "./session.ts";

export interface Stored {
  readonly account: string;
  readonly mailbox: string;
  readonly flags: readonly string[];
  readonly prefix: string;
  readonly content: string;
}
export interface Queued {
  readonly submission: QueueSubmission;
  readonly envelope: QueueSubmission["envelope"];
  readonly prefix: string;
  readonly content: string;
}
export interface SmtpFixture {
  readonly port: number;
  readonly stored: Stored[];
  readonly queued: Queued[];
  /** Ids of what was prepared for the queue and taken back. */
  readonly withdrawn: string[];
  readonly logged: Record<string, unknown>[];
  readonly spool: string;
  readonly quarantine: Quarantine;
  /** The socket file of a server that listens on one. */
  readonly socketFile: string;
  readonly server: Listening;
  /** Errors that the next deliveries and queueings fail with; an account's name, or "queue". */
  readonly failures: Map<string, StoreError | Error>;
  readonly usage: Map<string, number>;
}
export interface FixtureOptions extends Partial<SmtpServices> {
  readonly mode?: SmtpMode;
  readonly settings?: Partial<SettingsInput>;
  readonly implicitTls?: boolean;
  /** Listen on a socket file instead of a port. */
  readonly onSocketFile?: boolean;
  readonly quotas?: Readonly<Record<string, number>>;
  readonly listening?: Partial<ListenOptions>;
  /** Forget contents, for load tests. */
  readonly keepNothing?: boolean;
}

export const tls = testTlsContexts("mail.example.org");

/** example.org and example.net are hosted; ann, bob and full live there, sales is an alias, away forwards, gone is disabled. */
const routes: Readonly<Record<string, readonly Route[]>> = {
  "ann@example.org": [local("ann@example.org")],
  "bob@example.org": [local("bob@example.org")],
  "full@example.org": [local("full@example.org")],
  "carol@example.net": [local("carol@example.net")],
  "sales@example.org": [local("ann@example.org"), local("bob@example.org")],
  "away@example.org": [remote("away@elsewhere.test", true)],
  "both@example.org": [local("ann@example.org"), remote("both@elsewhere.test", true)],
  "gone@example.org": [refused(550, "5.2.1", "Mailbox disabled")],
  postmaster: [local("ann@example.org")],
  "jörg@example.org": [local("bob@example.org")],
};
function local(account: string): Route {
  return { kind: "local", account, via: [] };
}
function remote(address: string, forwarded: boolean): Route {
  return { kind: "remote", address, forwarded, via: [] };
}
function refused(code: number, status: string, text: string): Route {
  return { kind: "refused", refusal: { code, status, text }, via: [] };
}
export function testRoutes(_snapshot: Snapshot, address: string): readonly Route[] {
  const known = routes[address.toLowerCase().replace(/\+[^@]*@/, "@")];
  if (known !== undefined) return known;
  if (/@example\.(org|net)$/i.test(address)) return [refused(550, "5.1.1", "User unknown")];
  return [remote(address, false)];
}

const authenticator: Authenticator = {
  async verify({ username, password }) {
    if (username === "busy@example.org") return { ok: false, reason: "temporary" };
    if (password !== "secret") return { ok: false, reason: "credentials" };
    if (username === "gone@example.org") return { ok: false, reason: "disabled" };
    return { ok: true, account: username.toLowerCase() };
  },
  async close() {},
};

export async function smtpServer(t: TestContext, options: FixtureOptions = {}): Promise<SmtpFixture> {
  const {
    mode = "mx",
    settings = {},
    implicitTls = false,
    onSocketFile = false,
    quotas = {},
    listening = {},
    keepNothing,
    ...services
  } = options;
  const spool = await mkdtemp(join(tmpdir(), "mailkeep-smtp-"));
  const socketFile = join(spool, "lmtp");
  // A client of another user, as Postfix is, has to reach the file.
  if (onSocketFile) await chmod(spool, 0o711);
  const parsed = settingsSchema.parse({ hostname: "mail.example.org", ...settings });
  const snapshot = {
    generation: 1,
    settings: parsed,
    domain: (name: string) => (/^example\.(org|net)$/.test(name) ? { name } : undefined),
    account: (address: string) => ({ address, enabled: true, quotaBytes: quotas[address] ?? 0 }),
  } as unknown as Snapshot;
  const stored: Stored[] = [];
  const queued: Queued[] = [];
  const withdrawn: string[] = [];
  const logged: Record<string, unknown>[] = [];
  const failures = new Map<string, StoreError | Error>();
  const usage = new Map<string, number>();

  const quarantine = openQuarantine({
    directory: join(spool, "quarantine"),
    limits: () => parsed.quarantine,
    log: logInto(logged, {}),
  });
  async function keep(recipient: DeliveryRecipient, content: MessageContent): Promise<void> {
    if (keepNothing) return;
    stored.push({
      account: recipient.account,
      mailbox: recipient.mailbox,
      flags: recipient.flags ?? [],
      prefix: recipient.prefix.toString(),
      content: await text(content),
    });
  }
  const all: SmtpServices & { mode: SmtpMode } = {
    mode,
    snapshot: () => snapshot,
    routeRecipient: testRoutes,
    senderRefusal: (_, sender) =>
      sender === "refused@spam.test" ? { code: 554, status: "5.7.1", text: "Sender refused" } : undefined,
    store: {
      async deliver({ content, recipients }) {
        return Promise.all(
          recipients.map(async (recipient) => {
            const { account } = recipient;
            const error = failures.get(account);
            if (error !== undefined) return { account, stored: false, error: error as StoreError };
            await keep(recipient, content);
            return { account, stored: true };
          }),
        );
      },
      usage: async (address) => {
        const domain = address.slice(address.indexOf("@"));
        const inDomain = [...usage].filter(([other]) => other.endsWith(domain));
        return {
          bytes: usage.get(address) ?? 0,
          messages: 0,
          domainBytes: inDomain.reduce((sum, [, bytes]) => sum + bytes, 0),
        };
      },
    },
    queue: {
      prepare,
      async enqueue(submission) {
        const prepared = await prepare(submission);
        prepared.commit();
        return prepared;
      },
    },
    quarantine,
    authenticator,
    offersTls: true,
    spool: { directory: spool },
    log: logInto(logged, {}),
    ...services,
  };
  let lastId = 0;
  async function prepare(submission: QueueSubmission): Promise<Prepared> {
    const { envelope, prefix, content } = submission;
    const error = failures.get(`queue ${envelope.recipients[0]?.address}`) ?? failures.get("queue");
    if (error !== undefined) throw error;
    const id = `Q${++lastId}`;
    const message = {
      submission,
      envelope,
      prefix: prefix.toString(),
      content: keepNothing ? "" : await text(content),
    };
    return {
      id,
      commit: () => void (keepNothing || queued.push(message)),
      async withdraw() {
        withdrawn.push(id);
      },
    };
  }
  const server = await listen({
    listener: {
      protocol: implicitTls ? "submissions" : "submission",
      address: "127.0.0.1",
      port: 0,
      proxyProtocol: [],
      ...(onSocketFile ? { protocol: "lmtp", path: socketFile, mode: "666" } : {}),
    },
    tls,
    onConnection: (connection) => serveSmtp(connection, all),
    refusal: connectionRefusal,
    log: all.log,
    ...listening,
  });
  t.after(async () => {
    await server.close(0);
    await rm(spool, { recursive: true, force: true });
  });
  return {
    port: server.port,
    socketFile,
    stored,
    queued,
    withdrawn,
    logged,
    spool,
    quarantine,
    server,
    failures,
    usage,
  };
}

async function text(content: MessageContent): Promise<string> {
  const parts: Buffer[] = [];
  for await (const chunk of content.chunks()) parts.push(Buffer.from(chunk));
  return Buffer.concat(parts).toString("latin1");
}
function logInto(lines: Record<string, unknown>[], fields: object): Log {
  const add = (more: object) => {
    lines.push({ ...fields, ...more });
  };
  return {
    trace() {},
    debug() {},
    info: add,
    warn: add,
    error: add,
    child: (more) => logInto(lines, { ...fields, ...more }),
  };
}

/** A client that says lines and hears whole replies. */
export class Dialogue {
  readonly socket: Socket;
  #heard = "";
  #wake: (() => void) | undefined;
  #ended = false;
  constructor(socket: Socket) {
    this.socket = socket;
    socket.on("data", (chunk) => {
      this.#heard += chunk.toString();
      this.#wake?.();
    });
    for (const event of ["end", "close", "error"])
      socket.on(event, () => {
        this.#ended = true;
        this.#wake?.();
      });
  }
  static async open(t: TestContext, port: number): Promise<Dialogue> {
    const socket = connect({ port, host: "127.0.0.1" });
    t.after(() => socket.destroy());
    await once(socket, "connect");
    return new Dialogue(socket);
  }
  send(bytes: string | Buffer): void {
    if (!this.socket.destroyed) this.socket.write(bytes);
  }
  /** The next reply with all its lines and without their ends; "closed" when the server has ended. */
  async hear(): Promise<string> {
    for (;;) {
      const found = /^(?:\d{3}-[^\n]*\n)*\d{3} [^\n]*\n/.exec(this.#heard);
      if (found !== null) {
        this.#heard = this.#heard.slice(found[0].length);
        return found[0].trimEnd().replaceAll("\r\n", "\n");
      }
      if (this.#ended) return this.#heard === "" ? "closed" : this.#heard;
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
  }
  async say(line: string): Promise<string> {
    this.send(`${line}\r\n`);
    return this.hear();
  }
  /** Says each line and gives the first of the replies' lines, in order. */
  async all(...lines: readonly string[]): Promise<string[]> {
    const answers: string[] = [];
    for (const line of lines) answers.push(await this.say(line));
    return answers;
  }
}
/** A dialogue that has heard the banner and said EHLO. */
export async function greeted(t: TestContext, port: number): Promise<Dialogue> {
  const dialogue = await Dialogue.open(t, port);
  await dialogue.hear();
  await dialogue.say("EHLO client.test");
  return dialogue;
}
