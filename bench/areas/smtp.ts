/**
 * SMTP: from the first connection until every message is visible by IMAP, at 1, 10 and 50 connections.
 *
 * The load comes from Postfix's smtp-source (ten users, so ten processes from ten connections on), the end is
 * when STATUS shows every message in every INBOX. All contestants sync before their 250 what they sync with
 * their documentation's settings; ours runs with its shipped defaults.
 */
import { execFile } from "node:child_process";
import * as fs from "node:fs/promises";
import * as path from "node:path";
import { promisify } from "node:util";
import { ImapFlow } from "imapflow";
import type { Cell, Contestant } from "../harness.ts";
import type { Area } from "../main.ts";
import { mailkeep } from "../peers/mailkeep.ts";
import { postfixDovecot } from "../peers/postfix-dovecot.ts";
import type { BenchPeer, BenchServer } from "../peers/server.ts";

const run = promisify(execFile);

interface Load {
  readonly connections: number;
  readonly size: number;
  readonly messages: number;
}
const loads: readonly (Load & { readonly goal: number; readonly quick: number })[] = [
  { connections: 1, size: 4096, messages: 1000, quick: 300, goal: 2 },
  { connections: 10, size: 4096, messages: 5000, quick: 1500, goal: 5 },
  { connections: 50, size: 4096, messages: 5000, quick: 1500, goal: 5 },
  { connections: 10, size: 102_400, messages: 1000, quick: 400, goal: 4 },
];

export const smtp: Area = {
  async prepare({ quick, directory }) {
    const peers = [postfixDovecot].filter((peer) => peer.missing() === undefined);
    const absent = [postfixDovecot].filter((peer) => peer.missing() !== undefined);
    const cells = loads.flatMap((load): Cell[] => {
      const used = { ...load, messages: quick ? load.quick : load.messages };
      const size = load.size === 4096 ? "4 KiB" : "100 KiB";
      const contestant = (peer: BenchPeer, what: keyof Measured): Contestant => ({
        name: peer.name,
        measure: async (round) => (await loaded(peer, used, directory, round))[what],
      });
      const cell = (row: string, what: keyof Measured, goal?: number): Cell => ({
        row: `${row}, ${load.connections} connections, ${size}`,
        unit: "messages/s",
        goal,
        ours: contestant(mailkeep, what),
        peers: peers.map((peer) => contestant(peer, what)),
      });
      return [cell("visible in IMAP", "visible", load.goal), cell("accepted", "accepted")];
    });
    return {
      cells,
      versions: Object.fromEntries([
        ...[mailkeep, ...peers].map((peer) => [peer.name, peer.version()]),
        ...absent.map((peer) => [peer.name, `left out: ${peer.missing()}`]),
      ]),
      async close() {},
    };
  },
};

interface Measured {
  readonly accepted: number;
  readonly visible: number;
}
/** Both figures come from one run, so a cell's second row costs nothing. */
const measured = new Map<string, Promise<Measured>>();

function loaded(peer: BenchPeer, load: Load, directory: string, round: number): Promise<Measured> {
  const key = `${peer.name}-${load.connections}-${load.size}-${round}`.replace(/[^\w-]/g, "_");
  let result = measured.get(key);
  if (!result) {
    result = once(peer, load, path.join(directory, key));
    measured.set(key, result);
  }
  return result;
}

async function once(peer: BenchPeer, load: Load, directory: string): Promise<Measured> {
  await fs.mkdir(directory, { recursive: true });
  const server = await peer.start(directory);
  try {
    const perUser = Math.ceil(load.messages / (load.connections === 1 ? 1 : server.users.length));
    const users = load.connections === 1 ? server.users.slice(0, 1) : server.users;
    await warmUp(server, users);
    const begin = performance.now();
    await Promise.all(
      users.map((user) =>
        run("/usr/sbin/smtp-source", [
          ...["-s", String(load.connections / users.length), "-m", String(perUser), "-l", String(load.size)],
          ...["-d", "-4", "-M", "source.bench.test", "-f", "sender@elsewhere.test", "-t", user],
          `127.0.0.1:${server.smtpPort}`,
        ]),
      ),
    );
    const accepted = performance.now();
    await Promise.all(users.map((user) => visible(server, user, perUser + 1)));
    const seen = performance.now();
    const total = perUser * users.length;
    return { accepted: (total / (accepted - begin)) * 1000, visible: (total / (seen - begin)) * 1000 };
  } finally {
    await server.stop();
  }
}

/** One message to each user, so that no first use (directories, code) is measured. */
async function warmUp(server: BenchServer, users: readonly string[]): Promise<void> {
  for (const user of users)
    await run("/usr/sbin/smtp-source", [
      "-m",
      "1",
      "-4",
      "-f",
      "sender@elsewhere.test",
      "-t",
      user,
      `127.0.0.1:${server.smtpPort}`,
    ]);
  await Promise.all(users.map((user) => visible(server, user, 1)));
}

async function visible(server: BenchServer, user: string, expected: number): Promise<void> {
  const client = new ImapFlow({
    host: "127.0.0.1",
    port: server.imap.port,
    secure: server.imap.tls,
    tls: { rejectUnauthorized: false },
    ...(server.imap.tls ? {} : { doSTARTTLS: false }),
    auth: { user, pass: server.password },
    logger: false,
  });
  await client.connect();
  try {
    for (const deadline = Date.now() + 120_000; ; ) {
      const status = await client.status("INBOX", { messages: true });
      const messages = status ? (status.messages ?? 0) : 0;
      if (messages === expected) return;
      if (messages > expected || Date.now() > deadline)
        throw new Error(`${user} has ${messages} messages where ${expected} were accepted`);
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  } finally {
    await client.logout();
  }
}
