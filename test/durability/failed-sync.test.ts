/**
 * A failed fsync is never retried into a success (DESIGN D6): whoever waited for it is told no, nothing of it stays, a
 * later attempt makes a new file, and `status` and the log say that the disk is not to be trusted.
 */
import assert from "node:assert/strict";
import * as fs from "node:fs/promises";
import * as os from "node:os";
import { type TestContext, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { connectAdmin } from "../../mailserver-runtime/admin/client.ts";
import { needs } from "../support/tools.ts";
import { type Fault, whileFailing } from "./injection.ts";
import { leftovers } from "./leftovers.ts";
import { letterText } from "./letters.ts";
import { drained, Knowledge } from "./mixed-load.ts";
import { Random } from "./random.ts";
import { ACCOUNTS, openSite, PASSWORD, type RunningServer, type Site } from "./site.ts";
import { send } from "./smtp-load.ts";
import { ImapClient, SmtpClient } from "./wire.ts";

const [anna, ben] = ACCOUNTS;
const EVERY_SYNC: Fault = { calls: "fsync,fdatasync", error: "EIO" };

interface Bench {
  readonly site: Site;
  readonly known: Knowledge;
  server: RunningServer;
  readonly maildir: string;
}

async function bench(t: TestContext, processes = 1): Promise<Bench> {
  const root = await fs.mkdtemp(`${os.tmpdir()}/mailkeep-sync-`);
  const known = new Knowledge();
  const site = await openSite(root, known.ledger);
  t.after(async () => {
    await site.close();
    await fs.rm(root, { recursive: true, force: true, maxRetries: 3 });
  });
  await site.setProcesses(processes);
  const server = await site.start();
  assert.deepEqual(await known.compare(server, "every byte"), []);
  return { site, known, server, maildir: `${root}/mail/green.test/anna` };
}

/** What a sender is answered, by name of the letter; the ledger knows it too. */
function sender({ known }: Bench, client: SmtpClient) {
  const load = { client, ledger: known.ledger, random: new Random(1), newToken: () => "", again: [] };
  return (
    token: string,
    recipients: readonly string[],
    accounts: readonly string[],
    remote: readonly string[] = [],
  ) => {
    const from = "stranger@sender.test";
    const submission = known.ledger.submission({
      letter: { token, lines: 5 },
      from,
      recipients,
      accounts,
      remote,
    });
    return send(load, submission, "DATA");
  };
}

async function restartAndCompare(bench: Bench): Promise<void> {
  const { site, known } = bench;
  assert.equal(await bench.server.stop(), 0);
  bench.server = await site.start();
  assert.ok(await drained(site.directories, 30_000));
  assert.deepEqual(
    [...(await known.compare(bench.server, "every byte")), ...known.ledger.remoteProblems()],
    [],
  );
  assert.equal(await bench.server.stop(), 0);
  assert.deepEqual(await leftovers(site.directories), []);
}

test("while every fsync fails, mail is put off and IMAP says NO, nothing of it stays, and status says why", async (t) => {
  if (!needs(t, "strace")) return;
  const here = await bench(t);
  const { server, site, known } = here;
  const deliver = sender(here, await SmtpClient.open(server.port("smtp")));
  const imap = await ImapClient.open(server.port("imaps"), anna, PASSWORD);
  assert.match(await deliver("before", [anna], [anna]), /^250/);
  await imap.ask("SELECT INBOX");
  const letter = letterText({ token: "appended", lines: 3 }, anna);

  await whileFailing(server.pid, EVERY_SYNC, async () => {
    assert.match(await deliver("local", [anna], [anna]), /^451 4\.3\.0/);
    assert.match(await deliver("several", [anna, ben], [anna, ben]), /^451 4\.3\.0/);
    assert.match(await deliver("forwarded", ["away@green.test"], [], ["fwd@sink.test"]), /^451 4\.3\.0/);
    assert.match(
      await deliver("both-ways", [anna, "away@green.test"], [anna], ["fwd@sink.test"]),
      /^451 4\.3\.0/,
    );
    assert.match((await imap.ask("APPEND Sent (\\Seen)", letter)).tagged, /^NO \[UNAVAILABLE\]/);
    assert.match((await imap.ask("UID STORE 1 +FLAGS (\\Flagged)")).tagged, /^NO \[UNAVAILABLE\]/);
    // Nothing is left to change, and what there is was not made durable.
    assert.match((await imap.ask("UID STORE 1 +FLAGS (\\Flagged)")).tagged, /^NO \[UNAVAILABLE\]/);
    assert.match((await imap.ask("UID COPY 1 Trash")).tagged, /^NO \[UNAVAILABLE\]/);
    assert.match((await imap.ask("CREATE New")).tagged, /^NO \[UNAVAILABLE\]/);
    assert.match((await imap.ask("RENAME Trash Rubbish")).tagged, /^NO \[UNAVAILABLE\]/);
  });

  const problems = await degradations(site);
  assert.ok(
    problems.some((reason) => reason.includes("Writing a message into")),
    problems.join("\n"),
  );
  assert.ok(
    problems.some((reason) => reason.includes("the queue's directory")),
    problems.join("\n"),
  );
  assert.match(await fs.readFile(`${site.directories.log}/mail.log`, "utf8"), /"event":"degraded"/);

  // The disk is well again, and everything can be had, once each.
  assert.match(await deliver("local", [anna], [anna]), /^250/);
  assert.match(await deliver("several", [anna, ben], [anna, ben]), /^250/);
  assert.match(await deliver("forwarded", ["away@green.test"], [], ["fwd@sink.test"]), /^250/);
  assert.match((await imap.ask("UID STORE 1 +FLAGS (\\Flagged)")).tagged, /^OK/);
  assert.match((await imap.ask("UID STORE 1 -FLAGS (\\Flagged)")).tagged, /^OK/);
  assert.match((await imap.ask("RENAME Trash Rubbish")).tagged, /^(OK|NO \[NONEXISTENT\])/);
  known.models.get(anna)!.applyRename("Trash", "Rubbish");
  known.models.get(anna)!.folder("Trash");
  // A refused CREATE may have made the folder, which nobody was promised and nobody misses.
  known.models.get(anna)!.pending = { kind: "create", folder: "New" };
  await restartAndCompare(here);
});

test("an APPEND whose UID could not be made durable gets NO, and its UID is nobody's but the next message's", async (t) => {
  if (!needs(t, "strace")) return;
  const here = await bench(t);
  const imap = await ImapClient.open(here.server.port("imaps"), anna, PASSWORD);
  const append = (token: string) => imap.ask("APPEND INBOX ()", letterText({ token, lines: 3 }, anna));
  assert.match((await append("first")).tagged, /^OK \[APPENDUID \d+ 1\]/);
  const list = `${here.maildir}/dovecot-uidlist`;
  await whileFailing(here.server.pid, { ...EVERY_SYNC, path: list }, async () => {
    assert.match((await append("refused")).tagged, /^NO \[UNAVAILABLE\]/);
  });
  const before = (await fs.stat(list)).ino;
  assert.match((await append("second")).tagged, /^OK \[APPENDUID \d+ 2\]/);
  assert.notEqual(
    (await fs.stat(list)).ino,
    before,
    "the list whose sync failed is not appended to any more",
  );
  const records = (await fs.readFile(list, "latin1")).trim().split("\n").slice(1);
  assert.deepEqual(
    records.map((line) => line.split(" ")[0]),
    ["1", "2"],
  );
  const inbox = here.known.models.get(anna)!.folder("INBOX");
  inbox.learn(1, { key: "first", flags: "", modSeq: 0 });
  inbox.learn(2, { key: "second", flags: "", modSeq: 0 });
  await restartAndCompare(here);
});

test("a delivery whose directory could not be synced is put off, and does not stay", async (t) => {
  if (!needs(t, "strace")) return;
  const here = await bench(t);
  const deliver = sender(here, await SmtpClient.open(here.server.port("smtp")));
  await whileFailing(here.server.pid, { ...EVERY_SYNC, path: `${here.maildir}/new` }, async () => {
    assert.match(await deliver("refused", [anna], [anna]), /^451 4\.3\.0/);
    // The other's copy can be kept, and hers is queued from the same bytes (D8).
    assert.match(await deliver("half", [anna, ben], [anna, ben]), /^250/);
  });
  await restartAndCompare(here);
});

test("what failed in a worker alone stands in the server's status, and stays there when the worker has ended", async (t) => {
  if (!needs(t, "strace")) return;
  const here = await bench(t, 2);
  const { server, site } = here;
  const [worker] = await server.workers();
  const answers: string[] = [];
  const putOff = (answer: string) => /^451 4\.3\.0/.test(answer);
  await whileFailing(worker!, EVERY_SYNC, async () => {
    // The connections stay, so that the worker gets some.
    for (let at = 0; at < 40 && !answers.some(putOff); at++)
      answers.push(
        await sender(here, await SmtpClient.open(server.port("smtp")))(`letter${at}`, [anna], [anna]),
      );
  });
  assert.ok(answers.some(putOff), answers.join("\n"));
  // A process that is killed takes the last lines of its log along.
  const inTheLog = /"worker":1,"event":"degraded"/;
  const log = () => fs.readFile(`${site.directories.log}/mail.log`, "utf8");
  for (let tries = 0; tries < 100 && !inTheLog.test(await log()); tries++) await sleep(100);
  assert.match(await log(), inTheLog);
  process.kill(worker!, "SIGKILL");
  const problems = await degradations(site);
  assert.ok(
    problems.some((reason) => /fsync failed/.test(reason) && reason.includes(site.directories.mail)),
    problems.join("\n"),
  );
  await restartAndCompare(here);
});

async function degradations({ directories }: Site): Promise<string[]> {
  const admin = (await connectAdmin(directories.run))!;
  try {
    const { answer } = JSON.parse(await admin.ask(JSON.stringify({ operation: "status", request: {} }))) as {
      answer: { problems: { reason: string }[] };
    };
    return answer.problems.map(({ reason }) => reason).filter((reason) => reason.startsWith("degraded"));
  } finally {
    admin.close();
  }
}
