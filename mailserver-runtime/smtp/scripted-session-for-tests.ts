/** Whole sessions without sockets, so that there is time for very many. */
import { tmpdir } from "node:os";
import type { Snapshot } from "../config/snapshot.ts";
import { type Connection, ConnectionError } from "../net/connection.ts";
import { InputBuffer } from "../net/input-buffer.ts";
import { silentLog } from "../net/log.ts";
import { settingsSchema } from "../settings/schema.ts";
import { serveSmtp } from "./serve.ts";
import type { SmtpMode } from "./session.ts";
import { testRoutes } from "./testing.ts";

/** A connection that brings the next packet when everything before it has been read, and then ends. */
class ScriptedConnection implements Connection {
  readonly id = "fuzz";
  readonly remote = { address: "192.0.2.1", port: 1 };
  readonly local = { address: "192.0.2.2", port: 25 };
  readonly closed = false;
  readonly tls: Connection["tls"];
  sent = "";
  #packets: Buffer[];
  #input = new InputBuffer();

  constructor(packets: readonly Buffer[], secure: boolean) {
    this.#packets = packets.filter((packet) => packet.length > 0);
    this.tls = secure ? { protocol: "TLSv1.3", cipher: "test", servername: undefined } : undefined;
  }
  get lineEndedBare() {
    return this.#input.endedBare;
  }
  buffered() {
    return this.#input.length;
  }
  async readLine(limit: number, _timeoutMs: number, options?: { readonly bareLf?: boolean }) {
    for (;;) {
      const line = this.#input.line(limit, options?.bareLf === true);
      if (line === "too-long") throw new ConnectionError("line-too-long", "too long");
      if (line !== undefined) return line;
      this.#more();
    }
  }
  async readChunk(max: number) {
    for (;;) {
      const chunk = this.#input.take(max);
      if (chunk !== undefined) return chunk;
      this.#more();
    }
  }
  #more() {
    const packet = this.#packets.shift();
    if (packet === undefined) throw new ConnectionError("closed", "the script has ended");
    this.#input.push(packet);
  }
  unread(bytes: Buffer) {
    this.#input.unshift(bytes);
  }
  write(bytes: Buffer | string) {
    this.sent += bytes.toString();
  }
  async drained() {}
  async startTls() {
    if (this.#input.length > 0) throw new ConnectionError("tls", "plain text before TLS");
  }
  channelBinding() {
    return undefined;
  }
  end() {}
  destroy() {}
}

const snapshot = {
  settings: settingsSchema.parse({ hostname: "mail.example.org", message: { sizeLimit: 2000 } }),
  domain: () => undefined,
  account: (address: string) => ({ address, enabled: true, quotaBytes: 0 }),
} as unknown as Snapshot;

export interface Outcome {
  readonly sent: string;
  readonly messages: { readonly from: string; readonly content: string }[];
}
/** What a session says to these packets, and what it takes as messages. */
export async function runScript(packets: readonly Buffer[], mode: SmtpMode): Promise<Outcome> {
  const connection = new ScriptedConnection(packets, mode === "submission");
  const messages: Outcome["messages"] = [];
  const keep = (prefix: Buffer, content: Buffer | undefined) => {
    const from = /^Return-Path: <(.*)>\r\n/m.exec(prefix.toString("latin1"))?.[1] ?? "";
    messages.push({ from, content: content?.toString("latin1") ?? "" });
  };
  await serveSmtp(connection, {
    mode,
    snapshot: () => snapshot,
    routeRecipient: testRoutes,
    senderRefusal: () => undefined,
    store: {
      async deliver({ content, recipients }) {
        keep(recipients[0]!.prefix, content.buffer);
        return recipients.map(({ account }) => ({ account, stored: true }));
      },
      usage: async () => ({ bytes: 0, messages: 0 }),
    },
    queue: {
      async enqueue({ prefix, content }) {
        keep(prefix, content.buffer);
        return { id: "Q" };
      },
      async prepare({ prefix, content }) {
        return { id: "Q", commit: () => keep(prefix, content.buffer), async withdraw() {} };
      },
    },
    authenticator: {
      verify: async ({ password }) =>
        password === "secret"
          ? { ok: true, account: "ann@example.org" }
          : { ok: false, reason: "credentials" },
      async close() {},
    },
    offersTls: true,
    spool: { directory: tmpdir() },
    limits: { errorDelayMs: 0, messageLine: 1000 },
    log: silentLog,
  });
  return { sent: connection.sent, messages };
}
