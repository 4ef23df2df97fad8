/**
 * How fast the store makes mail durable and hands it out, without any protocol around it.
 *
 *     UV_THREADPOOL_SIZE=16 node bench/store.ts [--quick] [--json]
 *
 * Fresh directories for every row, and nothing is deleted before the end: deleting many files slows the
 * creation of others on ext4 for a while. Each figure is the median of its rounds.
 */
import { writeFileSync } from "node:fs";
import { mkdir, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { memoryContent } from "../mailserver-runtime/message/content.ts";
import { silentLog } from "../mailserver-runtime/net/log.ts";
import { Flag, type MailStore } from "../mailserver-runtime/store/mail-store.ts";
import { openMaildirStore } from "../mailserver-runtime/store/maildir/store.ts";

interface Row {
  readonly area: "store";
  readonly row: string;
  readonly unit: string;
  readonly ours: number;
  readonly rounds: readonly number[];
}

const quick = process.argv.includes("--quick");
const asJson = process.argv.includes("--json");
const only = process.argv.find((argument) => argument.startsWith("--only="))?.slice(7);
const ROUNDS = quick ? 1 : 3;
const made: string[] = [];
const rows: Row[] = [];

function message(bytes: number): Buffer {
  const head =
    "From: a@example.org\r\nTo: b@example.org\r\nSubject: bench\r\nMessage-ID: <1@example.org>\r\n\r\n";
  const line = `${"x".repeat(70)}\r\n`;
  return Buffer.from((head + line.repeat(Math.ceil(bytes / line.length))).slice(0, bytes - 2).concat("\r\n"));
}

async function fresh(): Promise<{ store: MailStore; root: string }> {
  const root = await mkdtemp(join(tmpdir(), "mailkeep-bench-"));
  made.push(root);
  return { root, store: await openAt(root) };
}
function openAt(root: string): Promise<MailStore> {
  return openMaildirStore({
    directories: { mail: join(root, "mail"), state: join(root, "state") },
    log: silentLog,
  });
}

/** Runs `task` for `total` numbers, `width` at a time, and returns how many a second were done. */
async function rate(total: number, width: number, task: (i: number) => Promise<unknown>): Promise<number> {
  let next = 0;
  const started = performance.now();
  await Promise.all(
    Array.from({ length: width }, async () => {
      while (next < total) await task(next++);
    }),
  );
  return (total * 1000) / (performance.now() - started);
}

async function measure(row: string, unit: string, round: () => Promise<number>): Promise<void> {
  if (only !== undefined && !row.includes(only)) return;
  const rounds: number[] = [];
  for (let i = 0; i < ROUNDS; i++) rounds.push(await round());
  rounds.sort((a, b) => a - b);
  const ours = rounds[rounds.length >> 1]!;
  rows.push({ area: "store", row, unit, ours, rounds });
  if (!asJson)
    process.stdout.write(`${row.padEnd(52)} ${ours.toFixed(ours < 100 ? 2 : 0).padStart(10)} ${unit}\n`);
}

const users = Array.from({ length: 10 }, (_, i) => `user${i}@example.org`);
const trace = Buffer.from(
  "Return-Path: <a@example.org>\r\nReceived: from bench by bench; Mon, 1 Jan 2026 00:00:00 +0000\r\n",
);

for (const [size, name] of [
  [4096, "4 KiB"],
  [102_400, "100 KiB"],
] as const) {
  const content = memoryContent(message(size));
  for (const width of [1, 10, 50]) {
    await measure(`deliver ${name}, ${width} at a time, ten users`, "messages/s", async () => {
      const { store } = await fresh();
      for (const account of users) await store.usage(account);
      const total = (quick ? 500 : 3000) / (size > 4096 ? 3 : 1) / (width === 1 ? 3 : 1);
      const result = await rate(total, width, async (i) => {
        const recipients = [{ account: users[i % users.length]!, prefix: trace, mailbox: "INBOX" }];
        const [outcome] = await store.deliver({ content, receivedAt: new Date(), recipients });
        if (!outcome!.stored) throw outcome!.error;
      });
      await store.close();
      return result;
    });
  }
}

await measure("deliver 4 KiB, 10 at a time, INBOX open", "messages/s", async () => {
  const { store } = await fresh();
  const content = memoryContent(message(4096));
  const inboxes = await Promise.all(users.map(async (user) => (await store.account(user)).open("INBOX")));
  const total = quick ? 500 : 3000;
  let shown = 0;
  const all = Promise.withResolvers<void>();
  for (const inbox of inboxes)
    inbox.onChange(({ added }) => {
      shown += added.length;
      if (shown === total) all.resolve();
    });
  const started = performance.now();
  await rate(total, 10, (i) =>
    store.deliver({
      content,
      receivedAt: new Date(),
      recipients: [{ account: users[i % users.length]!, prefix: trace, mailbox: "INBOX" }],
    }),
  );
  await all.promise;
  const result = (total * 1000) / (performance.now() - started);
  for (const inbox of inboxes) inbox.release();
  await store.close();
  return result;
});

await measure("append 4 KiB, 10 at a time, ten users", "messages/s", async () => {
  const { store } = await fresh();
  const content = memoryContent(message(4096));
  const inboxes = await Promise.all(users.map(async (user) => (await store.account(user)).open("INBOX")));
  const result = await rate(quick ? 500 : 3000, 10, (i) =>
    inboxes[i % inboxes.length]!.append({ content, flags: ["\\Seen"] }),
  );
  for (const inbox of inboxes) inbox.release();
  await store.close();
  return result;
});

/** A Maildir as another server left it: files with sizes in their names, no UID list. */
async function madeElsewhere(root: string, count: number): Promise<void> {
  const folder = join(root, "mail/example.org/big");
  for (const part of ["tmp", "new", "cur"]) await mkdir(join(folder, part), { recursive: true });
  const bytes = message(4096);
  for (let i = 0; i < count; i++)
    writeFileSync(
      `${folder}/cur/${1_700_000_000 + i}.M${i}P1.bench,S=4096,W=4096:2,S`,
      i < 10_000 ? bytes : "",
    );
}

for (const count of quick ? [10_000] : [10_000, 100_000]) {
  if (only !== undefined && !only.includes("box")) break;
  const root = await mkdtemp(join(tmpdir(), "mailkeep-bench-"));
  made.push(root);
  await madeElsewhere(root, count);
  for (const which of ["taken over", "after kill", "cold"]) {
    const store = await openAt(root);
    const account = await store.account("big@example.org");
    const started = performance.now();
    const mailbox = await account.open("INBOX");
    const taken = performance.now() - started;
    if (mailbox.view().count !== count) throw new Error(`${mailbox.view().count} of ${count} messages`);
    await measure(`box of ${count}: open, ${which}`, "ms", async () => taken);
    mailbox.release();
    // The first run ends without close(): no index is left.
    if (which === "taken over") continue;
    if (which === "cold") {
      await measure(`box of ${count}: open, warm`, "ms", async () => {
        const begun = performance.now();
        const warm = await account.open("INBOX");
        const taken = performance.now() - begun;
        warm.release();
        return taken;
      });
      const held = await account.open("INBOX");
      const all = [...held.view().uids.subarray(0, 10_000)];
      await measure(`box of ${count}: read 4 KiB`, "messages/s", () =>
        rate(10_000, 4, (i) => held.read(all[i]!)),
      );
      await measure(`box of ${count}: 10000 flags in one STORE`, "messages/s", async () => {
        const begun = performance.now();
        await held.setFlags({
          uids: all,
          mode: held.view().flags[0]! & Flag.Flagged ? "remove" : "add",
          flags: ["\\Flagged"],
        });
        return 1e7 / (performance.now() - begun);
      });
      await measure(`box of ${count}: one flag a STORE, 10 at a time`, "messages/s", () => {
        // Every round must change something.
        const mode = held.view().flags[0]! & Flag.Answered ? "remove" : "add";
        return rate(2000, 10, (i) => held.setFlags({ uids: [all[i]!], mode, flags: ["\\Answered"] }));
      });
      held.release();
    }
    await store.close();
  }
}

if (asJson) process.stdout.write(`${JSON.stringify({ node: process.version, rows }, undefined, 2)}\n`);
for (const root of made) await rm(root, { recursive: true, force: true });
