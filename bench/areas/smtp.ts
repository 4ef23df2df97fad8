/**
 * SMTP: from the first connection until every message is visible by IMAP, at 1, 10 and 50 connections.
 *
 * The load comes from Postfix's smtp-source (ten users, so ten processes from ten connections on), the end is
 * when STATUS shows every message in every INBOX; the IMAP clients have logged in before the clock starts.
 * Ours runs with its shipped defaults, every check of the filter on. How much each contestant syncs before
 * its 250 is taken from its system calls and stands among the versions.
 *
 * A server serves one row, so that each begins with empty mailboxes; with --quick, where starting them would take longer
 * than what is measured, it serves all rows.
 */
import * as fs from "node:fs/promises";
import * as path from "node:path";
import type { Cell, Contestant } from "../harness.ts";
import { type MailboxCounts, openMailboxCounts } from "../load/mailbox-counts.ts";
import { type SmtpLoad, sendLoad, sendOne, shares } from "../load/smtp-load.ts";
import type { Area } from "../main.ts";
import { mailkeep } from "../peers/mailkeep.ts";
import { postfixDovecot } from "../peers/postfix-dovecot.ts";
import type { BenchPeer, BenchServer } from "../peers/server.ts";
import { syncsOf } from "../syncs.ts";

interface Row extends SmtpLoad {
  /** The ratio of what is visible that the project has set itself. */
  readonly goal?: number;
  /** Messages at most with --quick, as many as take QUICK_MS; without it the row is left out there. */
  readonly quick?: number;
}
const rows: readonly Row[] = [
  { connections: 1, size: 4096, messages: 1000, quick: 300, goal: 2 },
  { connections: 10, size: 4096, messages: 5000, quick: 1000, goal: 5 },
  { connections: 50, size: 4096, messages: 5000, quick: 1000, goal: 5 },
  { connections: 1, size: 102_400, messages: 300 },
  { connections: 10, size: 102_400, messages: 1000, quick: 400, goal: 4 },
  { connections: 50, size: 102_400, messages: 1000 },
];
/** How long a load of --quick lasts about, and what is sent first to learn how many messages that are. */
const QUICK_MS = 1300;
const PROBE = 40;
const contestants: readonly BenchPeer[] = [mailkeep, postfixDovecot];

export const smtp: Area = {
  async prepare({ quick, directory }) {
    const present = contestants.filter((peer) => peer.missing() === undefined);
    const versions: Record<string, string> = Object.fromEntries(
      contestants.map((peer) => [peer.name, `left out: ${peer.missing()}`]),
    );
    const shared = new Map<BenchPeer, Course>();
    // Side by side: nothing is timed here.
    await Promise.all(
      present.map(async (peer) => {
        const course = await openCourse(
          peer,
          path.join(directory, `${quick ? "all" : "syncs"}-${peer.name}`),
        );
        const syncs = await course.syncs();
        versions[peer.name] = `${peer.version()}; ${syncs}`;
        if (quick) shared.set(peer, course);
        else await course.close();
      }),
    );
    const used = rows.flatMap((row): Row[] => {
      if (!quick) return [row];
      return row.quick === undefined ? [] : [{ ...row, messages: row.quick }];
    });
    // Both figures of a row come from one run, so its second cell costs nothing.
    const measured = new Map<string, Promise<Measured>>();
    const run = (peer: BenchPeer, row: Row, round: number): Promise<Measured> => {
      const key = `${peer.name}-${row.connections}-${row.size}-${round}`.replace(/[^\w-]/g, "_");
      const course = shared.get(peer);
      const result =
        measured.get(key) ??
        (course === undefined ? onItsOwn(peer, row, path.join(directory, key)) : quickly(course, row));
      measured.set(key, result);
      return result;
    };
    const cells = used.flatMap((row): Cell[] => {
      const size = row.size === 4096 ? "4 KiB" : "100 KiB";
      const contestant = (peer: BenchPeer, what: keyof Measured): Contestant => ({
        name: peer.name,
        measure: async (round) => (await run(peer, row, round))[what],
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
    return {
      cells,
      versions,
      async close() {
        await Promise.all([...shared.values()].map((course) => course.close()));
      },
    };
  },
};

interface Measured {
  readonly accepted: number;
  readonly visible: number;
}
/** A server that serves loads one after the other. */
interface Course {
  run(load: SmtpLoad): Promise<Measured>;
  /** What it syncs before it acknowledges. */
  syncs(): Promise<string>;
  close(): Promise<void>;
}

async function quickly(course: Course, load: SmtpLoad): Promise<Measured> {
  const { visible } = await course.run({ ...load, messages: PROBE });
  const messages = Math.min(load.messages, Math.max(PROBE, Math.round((visible * QUICK_MS) / 1000)));
  return course.run({ ...load, messages });
}
async function onItsOwn(peer: BenchPeer, load: SmtpLoad, directory: string): Promise<Measured> {
  const course = await openCourse(peer, directory);
  try {
    return await course.run(load);
  } finally {
    await course.close();
  }
}

async function openCourse(peer: BenchPeer, directory: string): Promise<Course> {
  await fs.mkdir(directory, { recursive: true });
  const server = await peer.start(directory);
  try {
    const counts = await openMailboxCounts(server, server.users);
    const sent = new Map(server.users.map((user) => [user, 0]));
    const send = async (user: string) => {
      await sendOne(server, user);
      sent.set(user, sent.get(user)! + 1);
    };
    // One message to each user, so that no first use (directories, code) is measured.
    await Promise.all(server.users.map(send));
    await counts.reached(sent);
    return {
      run: (load) => timed(server, counts, sent, load),
      async syncs() {
        const found = await syncsOf(server, directory);
        sent.set(server.users[0]!, sent.get(server.users[0]!)! + 1);
        return found;
      },
      async close() {
        await counts.close();
        await server.stop();
      },
    };
  } catch (error) {
    await server.stop();
    throw error;
  }
}

async function timed(
  server: BenchServer,
  counts: MailboxCounts,
  sent: Map<string, number>,
  load: SmtpLoad,
): Promise<Measured> {
  const parts = shares(load, server.users);
  for (const { user, count } of parts) sent.set(user, sent.get(user)! + count);
  const total = parts.reduce((sum, { count }) => sum + count, 0);
  const begin = performance.now();
  await sendLoad(server, load);
  const accepted = performance.now();
  await counts.reached(new Map(parts.map(({ user }) => [user, sent.get(user)!])));
  const seen = performance.now();
  return { accepted: (total / (accepted - begin)) * 1000, visible: (total / (seen - begin)) * 1000 };
}
