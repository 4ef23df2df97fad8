/**
 * A full disk puts mail off and nothing else: 452 4.3.1 and NO to what is new, everything there can be read, flagged and
 * expunged, the log stays short, and when there is room again all goes on by itself.
 *
 * A small volume of its own needs the right to mount. Where that is missing, what is below the reserve is shown by a reserve
 * that no disk has, and what a write without room does by system calls that are told so.
 */
import assert from "node:assert/strict";
import * as fs from "node:fs/promises";
import * as os from "node:os";
import { type TestContext, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { connectAdmin } from "../../mailserver-runtime/admin/client.ts";
import { type Directories, directoriesBelow } from "../../mailserver-runtime/settings/directories.ts";
import { needs } from "../support/tools.ts";
import { whileFailing } from "./injection.ts";
import { leftovers } from "./leftovers.ts";
import { letterText } from "./letters.ts";
import { drained, Knowledge } from "./mixed-load.ts";
import { Random } from "./random.ts";
import { ACCOUNTS, openSite, PASSWORD, type RunningServer, type Site } from "./site.ts";
import { canMount, type SmallVolume, smallVolume } from "./small-volume.ts";
import { send } from "./smtp-load.ts";
import { ImapClient, SmtpClient } from "./wire.ts";

const [anna, ben] = ACCOUNTS;
const MIB = 1024 * 1024;

interface Host {
  readonly site: Site;
  readonly known: Knowledge;
  /** As this process reaches them. */
  readonly directories: Directories;
  start(): Promise<RunningServer>;
}

interface HostOnVolume extends Host {
  readonly volume: SmallVolume;
}
/** A host whose disk has no room below its reserve, for as long as one likes. */
interface ScarceHost extends Host {
  /** Leaves so much that only new mail finds no room. */
  fill(): Promise<void>;
  free(): Promise<void>;
}

/** A host with everything (mail, queue, log) on one small volume. */
async function hostOnSmallVolume(t: TestContext, reserveBytes: number): Promise<HostOnVolume> {
  const root = await fs.mkdtemp(`${os.tmpdir()}/mailkeep-full-`);
  const cache = await fs.mkdtemp(`${os.tmpdir()}/mailkeep-full-cache-`);
  const known = new Knowledge();
  const site = await openSite(root, known.ledger, { disk: { reserveBytes } });
  t.after(async () => {
    await site.close();
    for (const made of [root, cache]) await fs.rm(made, { recursive: true, force: true, maxRetries: 3 });
  });
  const volume = await smallVolume(t, root, 16 * MIB);
  return {
    site,
    known,
    volume,
    directories: directoriesBelow(volume.path),
    start: () => site.start({ under: volume.under, env: { NODE_COMPILE_CACHE: cache } }),
  };
}

async function hostOnThisDisk(t: TestContext): Promise<Host> {
  const root = await fs.mkdtemp(`${os.tmpdir()}/mailkeep-full-`);
  const known = new Knowledge();
  const site = await openSite(root, known.ledger);
  t.after(async () => {
    await site.close();
    await fs.rm(root, { recursive: true, force: true, maxRetries: 3 });
  });
  return { site, known, directories: site.directories, start: () => site.start() };
}
const SCARCE: Readonly<Record<string, (t: TestContext) => Promise<ScarceHost | undefined>>> = {
  "on a small volume": async (t) => {
    if (!canMount(t)) return undefined;
    const host = await hostOnSmallVolume(t, 2 * MIB);
    return { ...host, fill: async () => host.volume.fill(MIB), free: async () => host.volume.free() };
  },
  "by a reserve that no disk has": async (t) => {
    const host = await hostOnThisDisk(t);
    const { site } = host;
    return {
      ...host,
      fill: () => site.change({ disk: { reserveBytes: 2 ** 50 } }),
      free: () => site.change({ disk: { reserveBytes: 0 } }),
    };
  },
};

/** Sends a letter of about `lines` × 10 bytes; the ledger knows what came of it. */
function sender({ known }: Host, client: SmtpClient) {
  const load = { client, ledger: known.ledger, random: new Random(1), newToken: () => "", again: [] };
  return (token: string, lines: number, recipients: readonly string[], remote: readonly string[] = []) => {
    const accounts = recipients.filter((each) => ACCOUNTS.some((account) => account === each));
    const from = "stranger@sender.test";
    const submission = known.ledger.submission({
      letter: { token, lines },
      from,
      recipients,
      accounts,
      remote,
    });
    return send(load, submission, "DATA");
  };
}
const logOf = ({ directories }: Host): Promise<string> => fs.readFile(`${directories.log}/mail.log`, "utf8");
const times = (text: string, event: string): number => text.split(`"event":"${event}"`).length - 1;

async function problemsOf({ directories }: Host): Promise<string> {
  const admin = (await connectAdmin(directories.run))!;
  try {
    return await admin.ask(JSON.stringify({ operation: "status", request: {} }));
  } finally {
    admin.close();
  }
}

for (const [how, made] of Object.entries(SCARCE))
  test(`below the reserve (${how}) new mail is refused before it is sent, and everything else goes on (RFC 5321 §4.2.3: 452)`, async (t) => {
    const host = await made(t);
    if (host === undefined) return;
    const { known } = host;
    const server = await host.start();
    assert.deepEqual(await known.compare(server, "every byte"), []);
    const smtp = await SmtpClient.open(server.port("smtp"));
    const deliver = sender(host, smtp);
    for (const token of ["one", "two", "three"]) assert.match(await deliver(token, 20, [anna]), /^250/);

    await host.fill();
    await sleep(300);
    for (let at = 0; at < 10; at++)
      assert.match(await smtp.ask("MAIL FROM:<stranger@sender.test>"), /^452 4\.3\.1/);
    const submission = await SmtpClient.submission(server.port("submissions"), anna, PASSWORD);
    assert.match(await submission.ask(`MAIL FROM:<${anna}>`), /^452 4\.3\.1/);
    const imap = await ImapClient.open(server.port("imaps"), anna, PASSWORD);
    const letter = letterText({ token: "refused", lines: 5 }, anna);
    assert.match((await imap.ask("APPEND Sent ()", letter)).tagged, /^NO \[UNAVAILABLE\].*room/);
    assert.match((await imap.ask("SELECT INBOX")).tagged, /^OK/);
    assert.match((await imap.ask("UID FETCH 1 (BODY[])")).untagged.join(), /end one/);
    assert.match((await imap.ask("UID STORE 1 +FLAGS (\\Flagged)")).tagged, /^OK/);
    assert.match((await imap.ask("UID MOVE 2 Trash")).tagged, /^OK/);
    assert.match((await imap.ask("UID STORE 3 +FLAGS (\\Deleted)")).tagged, /^OK/);
    assert.match((await imap.ask("UID EXPUNGE 3")).tagged, /^OK/);
    assert.match(await problemsOf(host), /no new mail is taken/);

    await host.free();
    await sleep(300);
    assert.match(await deliver("four", 20, [anna]), /^250/);
    assert.match((await imap.ask("APPEND Sent ()", letter)).tagged, /^OK/);
    assert.doesNotMatch(await problemsOf(host), /no new mail is taken/);
    await sleep(100);
    const log = await logOf(host);
    assert.deepEqual(
      [times(log, "disk-low"), times(log, "disk-recovered")],
      [1, 1],
      "told once, not per message",
    );
    assert.equal(await server.stop(), 0);
    assert.deepEqual(await leftovers(host.directories), []);
  });

test("a disk filled to its last byte costs no mail, not even with a restart in the middle, and the server recovers by itself", async (t) => {
  if (!canMount(t)) return;
  const host = await hostOnSmallVolume(t, 0);
  const { volume, known, site } = host;
  let server = await host.start();
  assert.deepEqual(await known.compare(server, "every byte"), []);
  let deliver = sender(host, await SmtpClient.open(server.port("smtp")));
  for (let at = 0; at < 10; at++) assert.match(await deliver(`early${at}`, 50, [anna, ben]), /^250/);
  assert.deepEqual(await known.compare(server, "every byte"), []);
  assert.match(await deliver("unseen", 50, [anna]), /^250/);

  volume.fill(0);
  const refused = async (suffix: string) => {
    // A client that is refused too often on one connection has to make another.
    const deliver = sender(host, await SmtpClient.open(server.port("smtp")));
    assert.match(await deliver(`small${suffix}`, 500, [anna]), /^452 4\.3\.1/);
    assert.match(await deliver(`several${suffix}`, 500, [anna, ben]), /^452 4\.3\.1/);
    assert.match(await deliver(`spooled${suffix}`, 20_000, [anna]), /^452 4\.3\.1/);
    assert.match(
      await deliver(`forwarded${suffix}`, 500, ["away@green.test"], ["fwd@sink.test"]),
      /^452 4\.3\.1/,
    );
  };
  for (let at = 0; at < 5; at++) await refused(`-${at}`);

  await server.kill();
  server = await host.start();
  await refused("-again");
  deliver = sender(host, await SmtpClient.open(server.port("smtp")));
  const imap = await ImapClient.open(server.port("imaps"), anna, PASSWORD);
  assert.match((await imap.ask("SELECT INBOX")).tagged, /^OK/, "what is known can be read");
  assert.match((await imap.ask("UID FETCH 1 (BODY.PEEK[])")).untagged.join(), /end early0/);
  const letter = letterText({ token: "refused", lines: 500 }, anna);
  assert.match((await imap.ask("APPEND INBOX ()", letter)).tagged, /^NO \[UNAVAILABLE\]/);
  assert.match((await imap.ask("UID STORE 1:3 +FLAGS (\\Deleted)")).tagged, /^OK/);
  assert.match((await imap.ask("UID EXPUNGE 1:3")).tagged, /^OK/, "expunging is how a user makes room");
  const inbox = known.models.get(anna)!.folder("INBOX");
  for (const uid of [1, 2, 3]) inbox.messages.delete(uid);

  volume.free();
  assert.match(await deliver("late", 50, [anna, ben]), /^250/);
  assert.match(await deliver("forwarded-late", 50, ["away@green.test"], ["fwd@sink.test"]), /^250/);
  assert.ok(await drained(host.directories, 30_000));
  assert.deepEqual([...(await known.compare(server, "every byte")), ...known.ledger.remoteProblems()], []);
  assert.equal(await server.stop(), 0);
  assert.deepEqual(await leftovers(host.directories), []);
  assert.ok(times(await logOf(host), "disk-full") <= 2, "one line a minute and process, not one a message");
  assert.ok(site.incarnation === 2, "the server ended only when it was killed");
});

test("a disk that proves full when a message is synced puts it off with 452, nothing of it stays, and it can be had later", async (t) => {
  if (!needs(t, "strace")) return;
  const host = await hostOnThisDisk(t);
  const { known } = host;
  const server = await host.start();
  assert.deepEqual(await known.compare(server, "every byte"), []);
  const deliver = sender(host, await SmtpClient.open(server.port("smtp")));
  const imap = await ImapClient.open(server.port("imaps"), anna, PASSWORD);
  const letter = letterText({ token: "appended", lines: 5 }, anna);
  const attempts = async (expected: RegExp) => {
    assert.match(await deliver("local", 20, [anna]), expected);
    assert.match(await deliver("several", 20, [anna, ben]), expected);
    assert.match(await deliver("forwarded", 20, ["away@green.test"], ["fwd@sink.test"]), expected);
  };
  assert.match(await deliver("before", 20, [anna]), /^250/);
  // A message has its UID from whoever looks first, and that is written too.
  assert.match((await imap.ask("SELECT INBOX")).untagged.join(), /1 EXISTS/);
  assert.match((await imap.ask("CLOSE")).tagged, /^OK/);
  assert.match(await deliver("waiting", 20, [anna]), /^250/);
  await whileFailing(server.pid, { calls: "fsync,fdatasync", error: "ENOSPC" }, async () => {
    await attempts(/^452 4\.3\.1/);
    assert.match((await imap.ask("APPEND Sent ()", letter)).tagged, /^NO \[UNAVAILABLE\]/);
    const selected = await imap.ask("SELECT INBOX");
    assert.match(selected.tagged, /^OK/);
    assert.match(selected.untagged.join("\n"), /^NO \[ALERT\] .*disk is full: 1 more/m, "what waits is told");
    assert.match((await imap.ask("UID FETCH 1 (BODY.PEEK[])")).untagged.join(), /end before/);
  });
  assert.match((await imap.ask("NOOP")).untagged.join("\n"), /2 EXISTS/, "and shown when there is room");
  await attempts(/^250/);
  assert.ok(await drained(host.directories, 30_000));
  assert.deepEqual([...(await known.compare(server, "every byte")), ...known.ledger.remoteProblems()], []);
  assert.equal(await server.stop(), 0);
  assert.deepEqual(await leftovers(host.directories), []);
});
