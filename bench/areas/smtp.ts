/**
 * SMTP: from the first connection until every message is visible by IMAP, at 1, 10 and 50 connections.
 *
 * The load comes from Postfix's smtp-source (ten users, so ten processes from ten connections on), the end is
 * when STATUS shows every message in every INBOX; the IMAP clients have logged in before the clock starts.
 * Ours runs with its shipped defaults, every check of the filter on. How much each contestant syncs before
 * its 250 is taken from its system calls and stands among the versions.
 */
import * as fs from "node:fs/promises";
import * as path from "node:path";
import type { Cell, Contestant } from "../harness.ts";
import { openMailboxCounts } from "../load/mailbox-counts.ts";
import { type SmtpLoad, sendLoad, sendOne, shares } from "../load/smtp-load.ts";
import type { Area } from "../main.ts";
import { mailkeep } from "../peers/mailkeep.ts";
import { postfixDovecot } from "../peers/postfix-dovecot.ts";
import type { BenchPeer } from "../peers/server.ts";
import { syncsOf } from "../syncs.ts";

interface Row extends SmtpLoad {
  /** The ratio of what is visible that the project has set itself. */
  readonly goal?: number;
  /** Messages with --quick; without it the row is left out there. */
  readonly quick?: number;
}
const rows: readonly Row[] = [
  { connections: 1, size: 4096, messages: 1000, quick: 150, goal: 2 },
  { connections: 10, size: 4096, messages: 5000, quick: 600, goal: 5 },
  { connections: 50, size: 4096, messages: 5000, quick: 600, goal: 5 },
  { connections: 1, size: 102_400, messages: 300 },
  { connections: 10, size: 102_400, messages: 1000, quick: 200, goal: 4 },
  { connections: 50, size: 102_400, messages: 1000 },
];
const contestants: readonly BenchPeer[] = [mailkeep, postfixDovecot];

export const smtp: Area = {
  async prepare({ quick, directory }) {
    const present = contestants.filter((peer) => peer.missing() === undefined);
    // Side by side: nothing is timed here.
    const versions = Object.fromEntries(
      await Promise.all(
        contestants.map(async (peer): Promise<[string, string]> => {
          const missing = peer.missing();
          if (missing !== undefined) return [peer.name, `left out: ${missing}`];
          return [
            peer.name,
            `${peer.version()}; ${await syncs(peer, path.join(directory, `syncs-${peer.name}`))}`,
          ];
        }),
      ),
    );
    const used = rows.flatMap((row): Row[] => {
      if (!quick) return [row];
      return row.quick === undefined ? [] : [{ ...row, messages: row.quick }];
    });
    const cells = used.flatMap((row): Cell[] => {
      const size = row.size === 4096 ? "4 KiB" : "100 KiB";
      const contestant = (peer: BenchPeer, what: keyof Measured): Contestant => ({
        name: peer.name,
        measure: async (round) => (await loaded(peer, row, directory, round))[what],
      });
      const cell = (name: string, what: keyof Measured, goal?: number): Cell => ({
        row: `${name}, ${row.connections} connections, ${size}`,
        unit: "messages/s",
        goal,
        ours: contestant(mailkeep, what),
        peers: present.filter((peer) => peer !== mailkeep).map((peer) => contestant(peer, what)),
      });
      return [cell("visible in IMAP", "visible", row.goal), cell("accepted", "accepted")];
    });
    return { cells, versions, async close() {} };
  },
};

async function syncs(peer: BenchPeer, directory: string): Promise<string> {
  await fs.mkdir(directory, { recursive: true });
  const server = await peer.start(directory);
  try {
    await sendOne(server, server.users[0]!);
    return await syncsOf(server, directory);
  } finally {
    await server.stop();
  }
}

interface Measured {
  readonly accepted: number;
  readonly visible: number;
}
/** Both figures come from one run, so a cell's second row costs nothing. */
const measured = new Map<string, Promise<Measured>>();

function loaded(peer: BenchPeer, load: SmtpLoad, directory: string, round: number): Promise<Measured> {
  const key = `${peer.name}-${load.connections}-${load.size}-${round}`.replace(/[^\w-]/g, "_");
  let result = measured.get(key);
  if (!result) {
    result = once(peer, load, path.join(directory, key));
    measured.set(key, result);
  }
  return result;
}

async function once(peer: BenchPeer, load: SmtpLoad, directory: string): Promise<Measured> {
  await fs.mkdir(directory, { recursive: true });
  const server = await peer.start(directory);
  try {
    const parts = shares(load, server.users);
    const users = parts.map(({ user }) => user);
    const counts = await openMailboxCounts(server, users);
    // One message to each user, so that no first use (directories, code) is measured.
    for (const user of users) await sendOne(server, user);
    await counts.reached(new Map(users.map((user) => [user, 1])));
    const begin = performance.now();
    await sendLoad(server, load);
    const accepted = performance.now();
    await counts.reached(new Map(parts.map(({ user, count }) => [user, count + 1])));
    const seen = performance.now();
    await counts.close();
    const total = parts.reduce((sum, { count }) => sum + count, 0);
    return { accepted: (total / (accepted - begin)) * 1000, visible: (total / (seen - begin)) * 1000 };
  } finally {
    await server.stop();
  }
}
