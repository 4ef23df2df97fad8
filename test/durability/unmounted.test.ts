/** A mail volume that is not mounted, or a folder nobody may read, is an error to everybody and an empty mailbox to nobody. */
import assert from "node:assert/strict";
import * as fs from "node:fs/promises";
import * as os from "node:os";
import { test } from "node:test";
import { Knowledge } from "./mixed-load.ts";
import { ACCOUNTS, openSite, PASSWORD } from "./site.ts";
import { ImapClient, SmtpClient } from "./wire.ts";

const [anna] = ACCOUNTS;
/** Root reads everything; without these two rights it is held to the permissions as everybody is. */
const HELD_TO_PERMISSIONS =
  process.getuid?.() === 0 ? ["setpriv", "--bounding-set=-dac_override,-dac_read_search"] : [];

test("with the mail volume gone mail is put off, IMAP says NO, nothing is made in its place, and all is there when it is back", async (t) => {
  const root = await fs.mkdtemp(`${os.tmpdir()}/mailkeep-unmounted-`);
  const known = new Knowledge();
  const site = await openSite(root, known.ledger);
  t.after(async () => {
    await site.close();
    await fs.rm(root, { recursive: true, force: true, maxRetries: 3 });
  });
  const server = await site.start();
  const send = async () => {
    const smtp = await SmtpClient.open(server.port("smtp"));
    await smtp.ask("MAIL FROM:<stranger@sender.test>");
    await smtp.ask(`RCPT TO:<${anna}>`);
    await smtp.ask("DATA");
    const answer = await smtp.ask("Subject: one\r\n\r\ntext\r\n.");
    smtp.wire.end();
    return answer;
  };
  assert.match(await send(), /^250/);
  const imap = await ImapClient.open(server.port("imaps"), anna, PASSWORD);
  assert.match((await imap.ask("STATUS INBOX (MESSAGES)")).untagged.join(), /MESSAGES 1/);

  await fs.rename(`${root}/mail`, `${root}/away`);
  await fs.mkdir(`${root}/mail`);
  assert.match(await send(), /^4\d\d 4/);
  assert.match((await imap.ask("SELECT INBOX")).tagged, /^NO/);
  assert.match((await imap.ask('LIST "" "*"')).tagged, /^NO/);
  assert.deepEqual(await fs.readdir(`${root}/mail`), [], "nothing is made below the mount point");
  await server.kill();
  await assert.rejects(site.start(), /not mounted/);
  assert.deepEqual(await fs.readdir(`${root}/mail`), []);

  await fs.rmdir(`${root}/mail`);
  await fs.rename(`${root}/away`, `${root}/mail`);
  const again = await site.start();
  const back = await ImapClient.open(again.port("imaps"), anna, PASSWORD);
  assert.match((await back.ask("STATUS INBOX (MESSAGES)")).untagged.join(), /MESSAGES 1/);
  assert.equal(await again.stop(), 0);
});

test("a folder that cannot be read is NO to SELECT and STATUS, never empty; the others are served, and all is there when it can be read again", async (t) => {
  const root = await fs.mkdtemp(`${os.tmpdir()}/mailkeep-unreadable-`);
  const site = await openSite(root, new Knowledge().ledger);
  const sent = `${root}/mail/green.test/anna/.Sent`;
  t.after(async () => {
    await site.close();
    await fs.chmod(`${sent}/cur`, 0o700).catch(() => {});
    await fs.rm(root, { recursive: true, force: true, maxRetries: 3 });
  });
  for (const folder of ["cur", "new", "tmp"]) await fs.mkdir(`${sent}/${folder}`, { recursive: true });
  await fs.writeFile(`${sent}/cur/1700000000.M1P1.host:2,S`, "Subject: kept\n\ntext\n");
  await fs.chmod(`${sent}/cur`, 0o000);
  const server = await site.start({ under: HELD_TO_PERMISSIONS });
  const imap = await ImapClient.open(server.port("imaps"), anna, PASSWORD);
  for (const command of ["SELECT Sent", "STATUS Sent (MESSAGES)"])
    assert.match((await imap.ask(command)).tagged, /^NO/, command);
  assert.match((await imap.ask("SELECT INBOX")).tagged, /^OK/);
  assert.match((await imap.ask('LIST "" "*"')).untagged.join(), /Sent/);
  await fs.chmod(`${sent}/cur`, 0o700);
  assert.match((await imap.ask("STATUS Sent (MESSAGES)")).untagged.join(), /MESSAGES 1/);
  assert.match((await imap.ask("SELECT Sent")).tagged, /^OK/);
  assert.match((await imap.ask("UID FETCH 1 (BODY.PEEK[])")).untagged.join(), /Subject: kept/);
  assert.equal(await server.stop(), 0);
});
