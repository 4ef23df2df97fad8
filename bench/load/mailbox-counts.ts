/** IMAP clients, one a user, that tell when so many messages are visible in every INBOX. */
import { setTimeout as delay } from "node:timers/promises";
import { ImapFlow } from "imapflow";
import type { BenchServer } from "../peers/server.ts";

/** Between two looks at one mailbox. */
const PAUSE_MS = 20;
const PATIENCE_MS = 120_000;

export interface MailboxCounts {
  /** Resolves when every user has exactly so many; throws where it is more, or takes too long. */
  reached(expected: ReadonlyMap<string, number>): Promise<void>;
  close(): Promise<void>;
}

/** Logs in before anything is measured. */
export async function openMailboxCounts(
  server: BenchServer,
  users: readonly string[],
): Promise<MailboxCounts> {
  const clients = new Map(users.map((user) => [user, clientFor(server, user)]));
  await Promise.all([...clients.values()].map((client) => client.connect()));
  return {
    async reached(expected) {
      await Promise.all([...expected].map(([user, count]) => waitFor(clients.get(user)!, user, count)));
    },
    async close() {
      await Promise.all([...clients.values()].map((client) => client.logout()));
    },
  };
}

function clientFor({ imap, password }: BenchServer, user: string): ImapFlow {
  return new ImapFlow({
    host: "127.0.0.1",
    port: imap.port,
    secure: imap.tls,
    tls: { rejectUnauthorized: false },
    ...(imap.tls ? {} : { doSTARTTLS: false }),
    auth: { user, pass: password },
    logger: false,
  });
}

async function waitFor(client: ImapFlow, user: string, expected: number): Promise<void> {
  for (const deadline = Date.now() + PATIENCE_MS; ; ) {
    const status = await client.status("INBOX", { messages: true });
    const messages = status ? (status.messages ?? 0) : 0;
    if (messages === expected) return;
    if (messages > expected || Date.now() > deadline)
      throw new Error(`${user} has ${messages} messages where ${expected} were accepted`);
    await delay(PAUSE_MS);
  }
}
