/** Mail sent by Postfix's smtp-source: over so many connections at once, each kept for many messages. */
import { execFile } from "node:child_process";
import { promisify } from "node:util";
import type { BenchServer } from "../peers/server.ts";

const run = promisify(execFile);
const smtpSource = "/usr/sbin/smtp-source";

export interface SmtpLoad {
  readonly connections: number;
  /** Bytes of a message. */
  readonly size: number;
  readonly messages: number;
}
/** Who gets how many messages: everybody the same, and one connection is one user's. */
export function shares(load: SmtpLoad, users: readonly string[]): readonly { user: string; count: number }[] {
  const some = load.connections === 1 ? users.slice(0, 1) : users;
  return some.map((user) => ({ user, count: Math.ceil(load.messages / some.length) }));
}

/** Sends the load; resolves when the last message is accepted. A user is one process of the tool. */
export async function sendLoad(server: BenchServer, load: SmtpLoad): Promise<void> {
  const all = shares(load, server.users);
  await Promise.all(
    all.map(({ user, count }) =>
      run(smtpSource, [
        ...["-s", String(load.connections / all.length), "-m", String(count), "-l", String(load.size), "-d"],
        ...envelope(server, user),
      ]),
    ),
  );
}
/** One short message to one user. */
export async function sendOne(server: BenchServer, user: string): Promise<void> {
  await run(smtpSource, ["-m", "1", ...envelope(server, user)]);
}

function envelope(server: BenchServer, user: string): readonly string[] {
  const from = ["-f", "sender@elsewhere.test", "-t", user];
  return ["-4", "-M", "source.bench.test", ...from, `127.0.0.1:${server.smtpPort}`];
}
