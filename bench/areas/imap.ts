/**
 * IMAP beside Dovecot: the same bytes-in, bytes-out client over TLS, links to the same message files.
 *
 * Both servers run for all rows and are asked in turns. Each answer to a timed command is compared with what
 * the corpus says it must be. Every row has two figures of one measurement: by the clock, which carries the
 * goal, and by the servers' processor time, which means the same on a machine that does other things as well.
 * BENCH_NODE_OPTIONS (such as --cpu-prof) goes to the Node that runs ours.
 */
import { execFileSync } from "node:child_process";
import * as path from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import type { Cell, Contestant } from "../harness.ts";
import { answers, type Check, HEADER_FIELDS } from "../load/imap-answers.ts";
import { corpus, fillMaildir, maildirOf, RARE_WORD, writeCorpus } from "../load/imap-corpus.ts";
import { ImapWire } from "../load/imap-wire.ts";
import type { Area } from "../main.ts";
import { dovecot } from "../peers/dovecot.ts";
import type { ImapBenchPeer, ImapBenchServer } from "../peers/imap-server.ts";
import { mailkeepImap } from "../peers/mailkeep.ts";
import { benchPassword } from "../peers/server.ts";
import { processorNanoseconds, residentMemory } from "../processor-time.ts";

const MESSAGES = 10_000;
const LARGE = 100_000;
const ROUNDS_PROVIDED_FOR = 5;
const WRITERS = 10;
const IDLE_CONNECTIONS = 1000;
const COLD_LOGINS = 60;
/** Logins, and connections that are made to idle, at once. */
const AT_ONCE = 4;

const account = (name: string) => `${name}@bench.test`;
const mail = account("mail");
const flagged = account("flagged");
const large = account("large");
const first = Array.from({ length: ROUNDS_PROVIDED_FOR }, (_, round) => account(`first${round}`));
const writers = Array.from({ length: WRITERS }, (_, index) => account(`writer${index}`));
const strangers = Array.from({ length: ROUNDS_PROVIDED_FOR * COLD_LOGINS }, (_, index) =>
  account(`s${index}`),
);

/** What one measurement counted: so many operations (or messages) in this time. */
interface Measured {
  readonly operations: number;
  readonly seconds: number;
  readonly processorSeconds: number;
}
/** One contestant and its server, which runs for many rows. */
interface Stage {
  readonly directory: string;
  server: ImapBenchServer;
  readonly start: () => Promise<ImapBenchServer>;
}
interface MeasuredRow {
  readonly row: string;
  readonly unit: string;
  readonly goal: number;
  run(stage: Stage, round: number, repeat: number): Promise<Measured>;
  /** How often the command is repeated, and the same with --quick. */
  readonly repeat: readonly [full: number, quick: number];
}

const messages = corpus(MESSAGES);
const expected = answers(messages);
/** A word that a few dozen subjects have, as somebody looks for it. */
const subjectWord = messages
  .flatMap(({ subject }) => subject.split(" ").slice(0, 3))
  .find((word) => {
    const count = messages.filter(({ subject }) => subject.includes(word)).length;
    return count >= 20 && count <= 100;
  })!;
const ENVELOPE = "(ENVELOPE RFC822.SIZE INTERNALDATE)";

/** A command, what it counts as, and what its answer must be. */
interface Question {
  readonly text: string;
  readonly operations: number;
  readonly check: Check;
}

const selectLarge: Question = {
  text: "SELECT INBOX",
  operations: 1,
  check(answer) {
    if (!answer.includes(`* ${LARGE} EXISTS`)) throw new Error(answer.toString("latin1").slice(0, 400));
  },
};
const rows: readonly MeasuredRow[] = [
  {
    row: "SELECT of 100,000, server just started",
    unit: "1/s",
    goal: 1,
    repeat: [3, 1],
    async run(stage, _round, repeat) {
      const runs: Measured[] = [];
      for (let count = 0; count < repeat; count += 1) {
        await stage.server.stop();
        stage.server = await stage.start();
        runs.push(await withUser(stage, large, (wire) => repeated(stage, wire, selectLarge, 1)));
      }
      return sum(runs);
    },
  },
  { ...asking("SELECT of 100,000, again", large, selectLarge, 1, [100, 30]), unit: "1/s" },
  asking("FETCH FLAGS of 10,000", flagged, fetching("(FLAGS)", expected.flags), 1, [30, 10]),
  asking(
    "FETCH BODY.PEEK[HEADER.FIELDS]",
    mail,
    fetching(`BODY.PEEK[HEADER.FIELDS (${HEADER_FIELDS.join(" ")})]`, expected.headerFields),
    1,
    [10, 3],
  ),
  asking("FETCH BODY.PEEK[] of 4 KiB", mail, fetching("BODY.PEEK[]", expected.whole), 1, [4, 2]),
  {
    row: "FETCH ENVELOPE, SIZE, INTERNALDATE, first",
    unit: "messages/s",
    goal: 5,
    repeat: [1, 1],
    run: (stage, round, repeat) =>
      withUser(stage, first[round]!, async (wire) => {
        await wire.command("SELECT INBOX");
        return repeated(stage, wire, fetching(ENVELOPE, expected.envelope), repeat);
      }),
  },
  asking(
    "FETCH ENVELOPE, SIZE, INTERNALDATE, again",
    mail,
    fetching(ENVELOPE, expected.envelope),
    1,
    [10, 3],
  ),
  asking(
    "SEARCH TEXT over 10,000",
    mail,
    searching(`TEXT ${RARE_WORD}`, expected.withText(RARE_WORD)),
    100,
    [20, 3],
  ),
  asking(
    "SEARCH SUBJECT over 10,000",
    mail,
    searching(`SUBJECT ${subjectWord}`, expected.withSubject(subjectWord)),
    2,
    [30, 10],
  ),
  {
    row: "APPEND of 4 KiB, 10 connections",
    unit: "messages/s",
    goal: 1.5,
    repeat: [200, 40],
    run: (stage, _round, repeat) => append(stage, repeat),
  },
  {
    row: "login, every password new",
    unit: "1/s",
    goal: 1,
    repeat: [COLD_LOGINS, COLD_LOGINS],
    run: (stage, round, repeat) => logins(stage, strangers.slice(round * repeat, (round + 1) * repeat)),
  },
  {
    row: "login, repeated",
    unit: "1/s",
    goal: 1,
    repeat: [400, 100],
    async run(stage, _round, repeat) {
      await logins(stage, [mail]);
      return logins(
        stage,
        Array.from({ length: repeat }, () => mail),
      );
    },
  },
];

export const imap: Area = {
  async prepare({ quick, directory }) {
    const files = writeCorpus(path.join(directory, "messages"), messages);
    const hashes = hashesFor([mail, flagged, large, ...first, ...writers, ...strangers]);
    const contestants = [mailkeepImap, dovecot].filter((peer) => peer.missing() === undefined);
    const stages = new Map<string, Promise<Stage>>();
    const stageOf = (peer: ImapBenchPeer): Promise<Stage> => {
      const found = stages.get(peer.name) ?? begin(peer, path.join(directory, peer.name));
      stages.set(peer.name, found);
      return found;
    };
    const begin = async (peer: ImapBenchPeer, own: string): Promise<Stage> => {
      fillMaildir(maildirOf(own, large), files, messages, LARGE);
      for (const user of [mail, flagged, ...(quick ? first.slice(0, 1) : first)])
        fillMaildir(maildirOf(own, user), files, messages, MESSAGES);
      const start = () => peer.start(own, hashes);
      const stage: Stage = { directory: own, server: await start(), start };
      for (const user of [large, flagged, mail])
        await withUser(stage, user, (wire) => wire.command("SELECT INBOX"));
      return stage;
    };
    const cells = rows.flatMap((row): Cell[] => {
      const measured = new Map<string, Promise<Measured>>();
      const measure = (peer: ImapBenchPeer, round: number): Promise<Measured> => {
        const key = `${peer.name} ${round}`;
        const run = async () => row.run(await stageOf(peer), round, row.repeat[quick ? 1 : 0]);
        const found = measured.get(key) ?? run();
        measured.set(key, found);
        return found;
      };
      const by = (rate: (one: Measured) => number) => {
        const [ours, ...peers] = contestants.map((peer): Contestant => {
          return { name: peer.name, measure: async (round) => rate(await measure(peer, round)) };
        });
        return { ours: ours!, peers };
      };
      return [
        {
          ...{ row: row.row, unit: row.unit, goal: row.goal },
          ...by(({ operations, seconds }) => operations / seconds),
        },
        {
          ...{ row: `${row.row}, by CPU time`, unit: row.unit },
          ...by(({ operations, processorSeconds }) => operations / processorSeconds),
        },
      ];
    });
    const [ours, ...peers] = contestants.map((peer): Contestant => {
      return { name: peer.name, measure: async () => idlePerMebibyte(await stageOf(peer)) };
    });
    const row = `${IDLE_CONNECTIONS} connections in IDLE over TLS`;
    cells.push({ row, unit: "connections/MiB", least: IDLE_CONNECTIONS / 45, ours: ours!, peers });
    return {
      cells,
      versions: Object.fromEntries(
        [mailkeepImap, dovecot].map((peer) => [peer.name, peer.missing() ?? peer.version()]),
      ),
      async close() {
        for (const stage of stages.values()) await (await stage.catch(() => undefined))?.server.stop();
      },
    };
  },
};

function fetching(items: string, check: Check): Question {
  return { text: `FETCH 1:* ${items}`, operations: MESSAGES, check };
}
function searching(program: string, check: Check): Question {
  return { text: `SEARCH ${program}`, operations: 1, check };
}

/** A row that asks the same again and again, after it has been asked unmeasured so that every cache is filled. */
function asking(
  row: string,
  user: string,
  question: Question,
  goal: number,
  repeat: MeasuredRow["repeat"],
): MeasuredRow {
  return {
    row,
    unit: question.operations > 1 ? "messages/s" : "searches/s",
    goal,
    repeat,
    run: (stage, _round, times) =>
      withUser(stage, user, async (wire) => {
        if (question.text !== selectLarge.text) await wire.command("SELECT INBOX");
        await repeated(stage, wire, question, 2);
        if (question.text.startsWith("SEARCH")) await resting(stage);
        return repeated(stage, wire, question, times);
      }),
  };
}

async function repeated(stage: Stage, wire: ImapWire, question: Question, times: number): Promise<Measured> {
  const runs: Measured[] = [];
  for (let count = 0; count < times; count += 1) {
    let answer: Buffer | undefined;
    runs.push(
      await timed(stage, question.operations, async () => {
        answer = await wire.command(question.text);
      }),
    );
    question.check(answer!);
  }
  return sum(runs);
}

/** Waits until the server does nothing in the background any more, such as making an index. */
async function resting(stage: Stage): Promise<void> {
  let calm = 0;
  for (const deadline = Date.now() + 120_000; Date.now() < deadline; ) {
    const { seconds, processorSeconds } = await timed(stage, 1, () => delay(500));
    calm = processorSeconds < seconds / 50 ? calm + 1 : 0;
    // On a busy machine a server may look calm because others have the processor.
    if (calm === 3) return;
  }
  throw new Error("the server does not come to rest");
}

async function timed(stage: Stage, operations: number, work: () => Promise<unknown>): Promise<Measured> {
  const earlier = processorNanoseconds(stage.server.pids);
  const begin = performance.now();
  await work();
  const seconds = (performance.now() - begin) / 1000;
  const processorSeconds = (processorNanoseconds(stage.server.pids) - earlier) / 1e9;
  return { operations, seconds, processorSeconds };
}
function sum(runs: readonly Measured[]): Measured {
  const total = (what: keyof Measured) => runs.reduce((before, run) => before + run[what], 0);
  return {
    operations: total("operations"),
    seconds: total("seconds"),
    processorSeconds: total("processorSeconds"),
  };
}

async function withUser<T>(stage: Stage, user: string, use: (wire: ImapWire) => Promise<T>): Promise<T> {
  const wire = await loggedIn(stage, user);
  try {
    return await use(wire);
  } finally {
    wire.close();
  }
}
async function loggedIn(stage: Stage, user: string): Promise<ImapWire> {
  const wire = await ImapWire.open(stage.server.port);
  await wire.command(`LOGIN ${user} ${benchPassword}`);
  return wire;
}

/** `times` messages over each connection, each in a mailbox of its own; the mailboxes must have them afterwards. */
async function append(stage: Stage, times: number): Promise<Measured> {
  const message = messages[0]!.bytes;
  const wires = await Promise.all(writers.map((user) => loggedIn(stage, user)));
  const counts = () => Promise.all(wires.map((wire) => messageCount(wire)));
  const before = await counts();
  const measured = await timed(stage, times * wires.length, async () => {
    await Promise.all(
      wires.map(async (wire) => {
        for (let count = 0; count < times; count += 1)
          await wire.command(`APPEND INBOX {${message.length}+}\r\n`, message);
      }),
    );
  });
  const after = await counts();
  if (after.some((count, index) => count !== before[index]! + times))
    throw new Error(`appended ${times} to each, and they have ${after.join(", ")}`);
  for (const wire of wires) wire.close();
  return measured;
}
async function messageCount(wire: ImapWire): Promise<number> {
  const answer = await wire.command("STATUS INBOX (MESSAGES)");
  return Number(/MESSAGES (\d+)/.exec(answer.toString("latin1"))?.[1]);
}

/** Connections that log in and end, a few at once. */
function logins(stage: Stage, users: readonly string[]): Promise<Measured> {
  return timed(stage, users.length, async () => {
    await aFewAtOnce(users, async (user) => (await loggedIn(stage, user)).close());
  });
}

async function aFewAtOnce<T>(items: readonly T[], work: (item: T) => Promise<void>): Promise<void> {
  const left = items.values();
  await Promise.all(
    Array.from({ length: AT_ONCE }, async () => {
      for (const item of left) await work(item);
    }),
  );
}

async function idlePerMebibyte(stage: Stage): Promise<number> {
  const settled = () => delay(2000);
  for (const user of writers) await withUser(stage, user, (wire) => wire.command("SELECT INBOX"));
  await settled();
  const before = residentMemory(stage.server.pids);
  const wires: ImapWire[] = [];
  const users = Array.from({ length: IDLE_CONNECTIONS }, (_, index) => writers[index % writers.length]!);
  await aFewAtOnce(users, async (user) => {
    const wire = await loggedIn(stage, user);
    await wire.command("SELECT INBOX");
    await wire.idle();
    wires.push(wire);
  });
  await settled();
  const mebibytes = (residentMemory(stage.server.pids) - before) / 2 ** 20;
  for (const wire of wires) wire.close();
  return wires.length / mebibytes;
}

/** SHA512-CRYPT with a salt of its own for each. */
function hashesFor(users: readonly string[]): ReadonlyMap<string, string> {
  const lines = execFileSync("openssl", ["passwd", "-6", "-stdin"], {
    input: users.map(() => `${benchPassword}\n`).join(""),
    encoding: "utf8",
  });
  const hashes = lines.trim().split("\n");
  return new Map(users.map((user, index) => [user, hashes[index]!]));
}
