/**
 * Many sessions at work on two mailboxes at once, their owner's and those of somebody they are shared with, over IMAP and the
 * real store, beside deliveries and restarts, in one process and in several; after each round everybody stops, and what the clients were told, what a fresh client sees, what QRESYNC
 * tells of the round and what a model says must be one and the same.
 *
 * What runs side by side has no order that a model could know, so the model holds what is true in every order: each
 * session alone sets its own keyword; each message has the subject it was appended with; what nobody marked \Deleted or
 * moved is there; what anybody was told is gone stays gone; UIDVALIDITY stays and MODSEQ grows, also when the index is lost.
 *
 *     MAILKEEP_CONSISTENCY_MINUTES=30    how long, for both; a few rounds without it
 *     MAILKEEP_CONSISTENCY_SEED=1        the run's seed, which a failure names
 *     MAILKEEP_CONSISTENCY_DIRECTORY=d   keeps mail, model and seed there (in d/1 for one process, d/3 for three) after each
 *                                        round, and goes on from them
 */
import assert from "node:assert/strict";
import { existsSync, mkdirSync, mkdtempSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { perform } from "../admin/operations.ts";
import { memoryContent } from "../message/content.ts";
import { silentLog } from "../net/log.ts";
import { startServer } from "../server.ts";
import { directoriesBelow } from "../settings/directories.ts";
import type { MailStore } from "../store/mail-store.ts";
import { openMaildirStore } from "../store/maildir/store.ts";
import { Client } from "./test/client.ts";
import { FollowingClient, flagText, uidsOfSet } from "./test/following-client.ts";
import { PASSWORD, startTestServer, USER } from "./test/server.ts";

const MINUTES = Number(process.env.MAILKEEP_CONSISTENCY_MINUTES ?? 0);
const SHORT_ROUNDS = 4;
const SESSIONS = 6;
const STEPS = 25;
/** On a loaded machine. */
const PATIENCE_MS = 60_000;
const BOXES = ["INBOX", "Other"] as const;
const SYSTEM = ["\\Seen", "\\Flagged", "\\Answered"];
type BoxName = (typeof BOXES)[number];

/** What is true of a mailbox in every order of what was done at once. */
interface ModelBox {
  uidValidity: number;
  highest: number;
  subjects: Record<number, string>;
  /** Keywords of a message by their session; where it is unknown, after a copy by somebody else, null. */
  keywords: Record<number, (boolean | null)[]>;
  /** Messages that somebody marked \Deleted or moved away. */
  mayGo: number[];
  gone: number[];
  /** UID to flags as the last round left them, for QRESYNC. */
  flags: Record<number, string>;
}
interface Run {
  seed: number;
  round: number;
  subjects: number;
  boxes: Record<BoxName, ModelBox>;
}

/** A copy that was made in the round. */
interface Copied {
  readonly from: ModelBox;
  readonly source: number;
  readonly to: ModelBox;
  readonly uid: number;
}

const emptyBox = (): ModelBox => ({
  uidValidity: 0,
  highest: 0,
  subjects: {},
  keywords: {},
  mayGo: [],
  gone: [],
  flags: {},
});

/** mulberry32: below(n) is a whole number from 0 to n - 1. */
function randomBy(seed: number): (below: number) => number {
  let state = seed >>> 0;
  return (below) => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) % below;
  };
}

/** Who it is shared with works on the same mailboxes under other names. */
const BEN = "ben@example.org";
const SHARED: Readonly<Record<BoxName, string>> = {
  INBOX: "shared.anna@example^org.INBOX",
  Other: "shared.anna@example^org.Other",
};

/** One session's work in a round. */
async function work(
  run: Run,
  copies: Copied[],
  port: number,
  self: number,
  random: (below: number) => number,
): Promise<[BoxName, FollowingClient]> {
  const name = BOXES[self % 3 === 2 ? 1 : 0];
  const other = BOXES[name === "INBOX" ? 1 : 0];
  const isBens = self % 4 === 3;
  const called = (box: BoxName) => (isBens ? SHARED[box] : box);
  const connection = await Client.open(port, true, PATIENCE_MS);
  await connection.logIn(isBens ? BEN : USER);
  if (self % 2 === 1) await connection.command("e ENABLE QRESYNC");
  const client = new FollowingClient(connection);
  await client.run(`s SELECT ${called(name)}`);
  const box = run.boxes[name];
  const own = `k${self}`;
  /** A few messages this client knows. */
  const pick = (): number[] => {
    const known = client.messages.flatMap(({ uid }) => uid ?? []);
    if (known.length === 0) return [];
    return [...new Set(Array.from({ length: 1 + random(3) }, () => known[random(known.length)]!))];
  };
  const steps: (() => Promise<void>)[] = [
    async function append() {
      const target = BOXES[random(2)]!;
      const subject = `s${run.subjects++}`;
      const bytes = `Subject: ${subject}\r\n\r\n${"x".repeat(random(300))}`;
      const isMarked = random(2) === 0;
      const flags = isMarked ? `${own} ` : "";
      const text = await client.run(
        `a APPEND ${called(target)} (${flags}\\Draft) {${bytes.length}+}\r\n${bytes}`,
      );
      const uid = Number(/APPENDUID \d+ (\d+)/.exec(text)![1]);
      note(run.boxes[target], uid, subject);
      const marks = marksOf(run.boxes[target], uid);
      // Another session may have seen and marked it before this one hears that it is stored.
      marks.forEach((known, i) => {
        marks[i] = known ?? (i === self && isMarked);
      });
    },
    async function mark() {
      const uids = pick();
      const adds = random(2) === 0;
      const silent = random(2) === 0 ? ".SILENT" : "";
      if (uids.length === 0) return;
      const text = await client.run(`t UID STORE ${uids} ${adds ? "+" : "-"}FLAGS${silent} (${own})`);
      assert.match(text, /^t OK/m);
      for (const uid of uids) marksOf(box, uid)[self] = adds;
      if (silent !== "") client.changed(uids, own, adds);
    },
    async function flag() {
      const uids = pick();
      if (uids.length > 0)
        await client.run(`t UID STORE ${uids} ${random(2) ? "+" : "-"}FLAGS (${SYSTEM[random(3)]})`);
    },
    async function doom() {
      const uids = pick();
      if (uids.length === 0) return;
      box.mayGo.push(...uids);
      await client.run(`t UID STORE ${uids} +FLAGS (\\Deleted)`);
    },
    async function expunge() {
      await client.run(random(2) ? "x EXPUNGE" : `x UID EXPUNGE ${pick().join(",") || "1"}`);
    },
    async function copyOrMove() {
      const uids = pick();
      if (uids.length === 0) return;
      const moves = random(3) === 0;
      if (moves) box.mayGo.push(...uids);
      const sources = new Map(uids.map((uid) => [uid, box.keywords[uid]?.[self] ?? null]));
      const text = await client.run(`c UID ${moves ? "MOVE" : "COPY"} ${uids} ${called(other)}`);
      const code = /COPYUID \d+ (\S+) ([^\]]+)\]/.exec(text);
      if (code === null) return;
      const to = uidsOfSet(code[2]!);
      uidsOfSet(code[1]!).forEach((from, i) => {
        const uid = to[i]!;
        const subject = box.subjects[from];
        if (subject !== undefined) note(run.boxes[other], uid, subject);
        const marks = marksOf(run.boxes[other], uid);
        copies.push({ from: box, source: from, to: run.boxes[other], uid });
        // Its own keyword goes along as it is; the others' may have changed at any moment.
        marks[self] = sources.get(from) ?? null;
      });
    },
    async function look() {
      await client.run(random(2) ? "n NOOP" : "f UID FETCH 1:* (FLAGS)");
    },
  ];
  for (let step = 0; step < STEPS; step++) await steps[random(steps.length)]!();
  return [name, client];
}

function marksOf(box: ModelBox, uid: number): (boolean | null)[] {
  box.keywords[uid] ??= Array(SESSIONS).fill(null);
  return box.keywords[uid];
}

/** A copy of what may be marked \\Deleted may be marked so too. */
function spreadDoom(copies: readonly Copied[]): void {
  for (let isStable = false; !isStable; ) {
    isStable = true;
    for (const { from, source, to, uid } of copies) {
      if (!from.mayGo.includes(source) || to.mayGo.includes(uid)) continue;
      to.mayGo.push(uid);
      isStable = false;
    }
  }
}

/** The run as its last whole round left it; a round that was cut short may have removed and marked anything since. */
function resumed(text: string): Run {
  const run = JSON.parse(text) as Run;
  for (const box of Object.values(run.boxes)) {
    box.mayGo = Object.keys(box.subjects).map(Number);
    box.keywords = {};
  }
  return run;
}

function note(box: ModelBox, uid: number, subject: string): void {
  assert.equal(box.subjects[uid] ?? subject, subject, `UID ${uid} is one message's`);
  box.subjects[uid] = subject;
}

interface Seen {
  readonly uidValidity: number;
  readonly highest: number;
  readonly messages: Map<number, { readonly flags: string; readonly subject: string }>;
  readonly marked: readonly number[][];
}

/** What a client sees that comes anew; with QRESYNC it must be what the last round's client makes of what it is told. */
async function freshLook(port: number, name: BoxName, box: ModelBox): Promise<Seen> {
  const client = await Client.open(port, true, PATIENCE_MS);
  await client.logIn();
  await client.command("e ENABLE QRESYNC");
  const from = box.highest > 0 ? ` (QRESYNC (${box.uidValidity} ${box.highest}))` : "";
  const selected = await client.command(`s SELECT ${name}${from}`);
  const messages: Seen["messages"] = new Map();
  const text = await client.command("f UID FETCH 1:* (UID FLAGS MODSEQ BODY.PEEK[HEADER.FIELDS (SUBJECT)])");
  const highest = Number(/HIGHESTMODSEQ (\d+)/.exec(selected)![1]);
  for (const part of text.split(/^\* \d+ FETCH /m).slice(1)) {
    const uid = Number(/\bUID (\d+)/.exec(part)![1]);
    const subject = /^Subject: (\S+)/m.exec(part)![1]!;
    assert.ok(Number(/MODSEQ \((\d+)\)/.exec(part)![1]) <= highest, "no MODSEQ is above HIGHESTMODSEQ");
    messages.set(uid, { flags: flagText(/FLAGS \(([^)]*)\)/.exec(part)![1]!), subject });
  }
  if (from !== "") {
    const synced = new Map(Object.entries(box.flags).map(([uid, flags]) => [Number(uid), flags]));
    const vanished = /^\* VANISHED \(EARLIER\) (\S+)/m.exec(selected)?.[1];
    if (vanished !== undefined) for (const uid of uidsOfSet(vanished)) synced.delete(uid);
    for (const [, told] of selected.matchAll(/^\* \d+ FETCH \((.*)\)\r$/gm))
      synced.set(Number(/UID (\d+)/.exec(told!)![1]), flagText(/FLAGS \(([^)]*)\)/.exec(told!)![1]!));
    const expected = [...messages].map(([uid, { flags }]) => [uid, flags]);
    assert.deepEqual(
      [...synced].sort(([a], [b]) => a - b),
      expected,
      `${name} by QRESYNC (RFC 7162 §3.2.5)`,
    );
  }
  const marked: number[][] = [];
  for (let i = 0; i < SESSIONS; i++) {
    const found = await client.command(`q UID SEARCH KEYWORD k${i}`);
    marked.push((/^\* SEARCH((?: \d+)*)/m.exec(found)?.[1] ?? "").split(" ").filter(Boolean).map(Number));
  }
  client.end();
  return { uidValidity: Number(/UIDVALIDITY (\d+)/.exec(selected)![1]), highest, messages, marked };
}

/** Holds the model and each client's knowledge against what is there, and learns what was delivered. */
function compare(
  name: BoxName,
  box: ModelBox,
  seen: Seen,
  clients: readonly FollowingClient[],
  delivered: Set<string>,
): void {
  assert.equal(seen.uidValidity, box.uidValidity || seen.uidValidity, `${name}: UIDVALIDITY stays`);
  assert.ok(seen.highest >= box.highest, `${name}: HIGHESTMODSEQ never falls`);
  for (const client of clients) {
    for (const uid of client.gone) box.gone.push(uid);
    assert.deepEqual(
      client.messages.map(({ uid }) => uid),
      [...seen.messages.keys()],
      `${name}: a client's messages are the mailbox's`,
    );
    for (const { uid, flags } of client.messages)
      if (flags !== undefined)
        assert.equal(flags, seen.messages.get(uid!)!.flags, `${name}: flags of ${uid} as told`);
  }
  const mayGo = new Set(box.mayGo);
  for (const uid of Object.keys(box.subjects).map(Number))
    if (!mayGo.has(uid))
      assert.ok(seen.messages.has(uid), `${name}: message ${uid} is there, nobody removed it`);
  for (const uid of box.gone)
    assert.ok(!seen.messages.has(uid), `${name}: message ${uid} does not come back`);
  for (const [uid, { subject }] of seen.messages) {
    if (box.subjects[uid] === undefined) {
      assert.match(subject, /^[ds]\d+$/, `${name}: message ${uid} has a subject of ours`);
      delivered.delete(subject);
    }
    note(box, uid, subject);
    box.keywords[uid]?.forEach((isMarked, i) => {
      if (isMarked !== null)
        assert.equal(seen.marked[i]!.includes(uid), isMarked, `${name}: k${i} of ${uid} is its session's`);
    });
  }
  box.uidValidity = seen.uidValidity;
  box.highest = seen.highest;
  box.flags = Object.fromEntries([...seen.messages].map(([uid, { flags }]) => [uid, flags]));
  // What is gone need not be remembered for longer than the next look.
  const isThere = (uid: number) => seen.messages.has(uid);
  for (const uid of Object.keys(box.subjects).map(Number)) {
    if (isThere(uid)) continue;
    delete box.subjects[uid];
    delete box.keywords[uid];
    if (!box.gone.includes(uid)) box.gone.push(uid);
  }
  box.gone = box.gone.slice(-2000);
  box.mayGo = box.mayGo.filter(isThere);
}

/** A server over mail that outlives it. */
interface Site {
  readonly port: number;
  /** Puts a message into Anna's INBOX, durably. */
  deliver(subject: string): Promise<void>;
  close(): Promise<void>;
}
type Open = (root: string) => Promise<Site>;

/** The engine over the store, and deliveries into the store itself. */
const openOneProcess: Open = async (root) => {
  const directories = { mail: join(root, "mail"), state: join(root, "state") };
  const store: MailStore = await openMaildirStore({ directories, log: silentLog });
  await shareWithBen(store);
  const server = await startTestServer(store);
  return {
    port: server.port,
    async deliver(subject) {
      const [outcome] = await store.deliver({
        content: memoryContent(Buffer.from(`Subject: ${subject}\r\n\r\nhello\r\n`)),
        receivedAt: new Date(),
        recipients: [{ account: USER, prefix: Buffer.alloc(0), mailbox: "INBOX" }],
      });
      assert.ok(outcome!.stored);
    },
    async close() {
      await server.close();
      await store.close();
    },
  };
};

/** The whole server with two workers; another program puts messages into the Maildir. */
const openThreeProcesses: Open = async (root) => {
  const directories = directoriesBelow(root);
  const context = { directories, version: "1" };
  const owner = "test";
  await perform("certificate.put", { names: ["localhost"], issuer: { type: "local-ca" }, owner }, context);
  for (const address of [USER, BEN]) {
    const password = { text: PASSWORD, policy: "initial" } as const;
    await perform("mailbox.put", { address, owner, password }, context);
  }
  const settings = {
    hostname: "mail.example.org",
    listeners: [{ protocol: "imaps" as const, address: "127.0.0.1", port: 0 }],
    dns: { servers: ["127.0.0.1:9"] },
    workers: { least: 3 },
  };
  await perform("settings.put", { owner, settings }, context);
  const before: MailStore = await openMaildirStore({ directories, log: silentLog });
  await shareWithBen(before);
  await before.close();
  const onStopRequested = () => {};
  const server = await startServer({
    directories,
    env: process.env,
    version: "1",
    logToStdout: false,
    onStopRequested,
  });
  const maildir = join(directories.mail, "example.org/anna");
  return {
    port: server.listeners()[0]!.port,
    async deliver(subject) {
      const name = `${Math.floor(Date.now() / 1000)}.${process.pid}_${subject}.elsewhere`;
      writeFileSync(join(maildir, "tmp", name), `Subject: ${subject}\n\nhello\n`);
      renameSync(join(maildir, "tmp", name), join(maildir, "new", name));
    },
    close: () => server.stop(2000),
  };
};

async function shareWithBen(store: MailStore): Promise<void> {
  const account = await store.account(USER);
  if (!(await account.list()).some(({ name }) => name === "Other")) await account.create("Other");
  for (const name of BOXES)
    await account.setAcl(name, { identifier: BEN, mode: "replace", rights: "lrswite" });
  account.release();
}

for (const { processes, open, shortRounds } of [
  { processes: "one process", open: openOneProcess, shortRounds: SHORT_ROUNDS },
  { processes: "three processes", open: openThreeProcesses, shortRounds: 2 },
])
  test(`Sessions at work side by side in ${processes} agree with each other, with QRESYNC and with a model, over restarts and a lost index`, (t) =>
    runRounds(t, open, shortRounds));

async function runRounds(t: TestContext, open: Open, shortRounds: number): Promise<void> {
  const given = process.env.MAILKEEP_CONSISTENCY_DIRECTORY;
  const kept = given === undefined ? undefined : join(given, open === openOneProcess ? "1" : "3");
  const root = kept ?? mkdtempSync(join(tmpdir(), "mailkeep-consistency-"));
  if (kept === undefined) t.after(() => rmSync(root, { recursive: true, force: true, maxRetries: 3 }));
  mkdirSync(join(root, "mail"), { recursive: true });
  const modelFile = join(root, "model.json");
  const run: Run = existsSync(modelFile)
    ? resumed(readFileSync(modelFile, "utf8"))
    : {
        seed: Number(process.env.MAILKEEP_CONSISTENCY_SEED ?? Date.now() % 1_000_000_000),
        round: 0,
        subjects: 0,
        boxes: { INBOX: emptyBox(), Other: emptyBox() },
      };
  let site: Site | undefined;
  const stop = async () => {
    await site?.close();
    site = undefined;
  };
  t.after(stop);
  const start = async () => {
    site = await open(root);
  };
  await start();
  const end = Date.now() + MINUTES * 60_000;
  const rounds = run.round + shortRounds;
  for (; MINUTES > 0 ? Date.now() < end : run.round < rounds; run.round++) {
    const random = randomBy(run.seed + run.round * 7919);
    const where = `seed ${run.seed}, round ${run.round}`;
    try {
      const delivered = new Set(Array.from({ length: 5 }, (_, i) => `d${run.round * 5 + i}`));
      const { port, deliver } = site!;
      const deliveries = [...delivered].map(deliver);
      const copies: Copied[] = [];
      const seeds = Array.from({ length: SESSIONS }, () => random(2 ** 31));
      const clients = await Promise.all(seeds.map((seed, i) => work(run, copies, port, i, randomBy(seed))));
      await Promise.all(deliveries);
      spreadDoom(copies);
      const removed = new Set(
        run.boxes.INBOX.mayGo.filter((uid) => run.boxes.INBOX.subjects[uid] === undefined),
      );
      for (const [, client] of clients) await client.run("z NOOP");
      for (const name of BOXES) {
        const seen = await freshLook(port, name, run.boxes[name]);
        const own = clients.flatMap(([box, client]) => (box === name ? client : []));
        compare(name, run.boxes[name], seen, own, delivered);
      }
      assert.ok(delivered.size <= removed.size, `what was delivered is there: ${[...delivered]}`);
      for (const [, client] of clients) client.end();
      if (random(4) === 0) {
        await stop();
        if (random(2) === 0) rmSync(join(root, "state/store/index"), { recursive: true, force: true });
        await start();
      }
    } catch (error) {
      throw new Error(`${where}: ${(error as Error).message}`, { cause: error });
    }
    if (kept !== undefined) {
      writeFileSync(`${modelFile}.tmp`, JSON.stringify({ ...run, round: run.round + 1 }));
      renameSync(`${modelFile}.tmp`, modelFile);
    }
  }
  t.diagnostic(`seed ${run.seed}: ${run.round} rounds`);
}
