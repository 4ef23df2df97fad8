/** Real clients against the real store: what people use must work, twice. */
import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, it, type TestContext } from "node:test";
import { promisify } from "node:util";
import { ImapFlow } from "imapflow";
import { memoryContent } from "../message/content.ts";
import { silentLog } from "../net/log.ts";
import type { MailStore } from "../store/mail-store.ts";
import { openMaildirStore } from "../store/maildir/store.ts";
import { message } from "./test/messages.ts";
import { PASSWORD, startTestServer, type TestServer, USER } from "./test/server.ts";

const run = promisify(execFile);

/** Skips where the client is not installed, except in CI. */
async function needs(context: TestContext, program: string): Promise<boolean> {
  try {
    await run("which", [program]);
    return true;
  } catch {
    assert.ok(!process.env.CI, `${program} is not installed`);
    context.skip(`${program} is not installed`);
    return false;
  }
}

describe("real clients", () => {
  let directory: string;
  let store: MailStore;
  let server: TestServer;

  before(async () => {
    directory = await mkdtemp(join(tmpdir(), "mailkeep-imap-"));
    await mkdir(join(directory, "mail"));
    await mkdir(join(directory, "state"));
    store = await openMaildirStore({
      directories: { mail: join(directory, "mail"), state: join(directory, "state") },
      log: silentLog,
    });
    server = await startTestServer(store, {
      quota: (account) => ({ bytes: account.startsWith("small@") ? 2048 : 1024 ** 3 }),
    });
  });
  after(async () => {
    await server.close();
    await store.close();
    await rm(directory, { recursive: true, force: true });
  });

  const curl = (...args: string[]) =>
    run("curl", ["-sk", "-m", "20", "-u", `${USER}:${PASSWORD}`, ...args], { maxBuffer: 64 * 1024 * 1024 });
  const url = (rest = "") => `imaps://127.0.0.1:${server.port}/${rest}`;

  it("curl appends a message and fetches the same bytes (RFC 9051 §6.3.12, §6.4.5)", async (context) => {
    if (!(await needs(context, "curl"))) return;
    const bytes = message({ subject: "by curl", body: "Hello.\r\n.\r\nä\r\n" });
    const file = join(directory, "curl.eml");
    await writeFile(file, bytes);
    await curl("-T", file, url("INBOX"));
    const { stdout } = await curl(url("INBOX;MAILINDEX=1"));
    assert.equal(stdout, bytes.toString("utf8"));
    const found = await curl(url("INBOX?SUBJECT%20curl"));
    assert.match(found.stdout, /^\* SEARCH 1\r\n/m);
  });

  it("curl appends 5 MB and fetches the same bytes (RFC 7888, RFC 9051 §6.4.5)", async (context) => {
    if (!(await needs(context, "curl"))) return;
    const bytes = message({ subject: "large", body: "0123456789".repeat(7).concat("\r\n").repeat(70_000) });
    const file = join(directory, "large.eml");
    await writeFile(file, bytes);
    await curl("-X", "CREATE Large", url());
    await curl("-T", file, url("Large"));
    const copy = join(directory, "large.copy");
    await curl("-o", copy, url("Large;MAILINDEX=1"));
    assert.ok((await readFile(copy)).equals(bytes));
  });

  it("mbsync takes everything over in both directions, and the second run has nothing to do", async (context) => {
    if (!(await needs(context, "mbsync"))) return;
    const account = "sync@example.org";
    const mail = await store.account(account);
    await mail.create("Work");
    const inbox = await mail.open("INBOX");
    for (let index = 0; index < 20; index += 1) {
      await inbox.append({
        content: memoryContent(message({ subject: `message ${index}`, body: `Number ${index}.\r\n` })),
        flags: index % 2 ? ["\\Seen"] : ["\\Flagged"],
        internalDate: new Date(Date.UTC(2024, 0, 1 + index)),
      });
    }
    const home = join(directory, "mbsync");
    await mkdir(join(home, "mail"), { recursive: true });
    const configuration = join(home, "mbsyncrc");
    await writeFile(
      configuration,
      `IMAPAccount test
Host 127.0.0.1
Port ${server.port}
User ${account}
Pass "${PASSWORD}"
SSLType IMAPS
CertificateFile ${join(home, "certificate.pem")}

IMAPStore far
Account test

MaildirStore near
Path ${home}/mail/
Inbox ${home}/mail/INBOX
SubFolders Verbatim

Channel all
Far :far:
Near :near:
Patterns *
Create Both
Expunge Both
Sync All
SyncState *
`,
    );
    await writeFile(join(home, "certificate.pem"), server.certificate);
    const sync = async () => {
      const { stdout, stderr } = await run("mbsync", ["-V", "-c", configuration, "all"], {
        env: { ...process.env, HOME: home },
      });
      return stdout + stderr;
    };
    await sync();
    const local = await readdir(join(home, "mail", "INBOX", "cur"));
    const fresh = await readdir(join(home, "mail", "INBOX", "new"));
    assert.equal(local.length + fresh.length, 20);
    // One message made here, one marked: both must arrive there.
    await writeFile(
      join(home, "mail", "INBOX", "cur", "1.local:2,S"),
      message({ subject: "from the client", body: "x\r\n" }),
    );
    await sync();
    await inbox.refresh();
    assert.equal(inbox.view().count, 21);
    const { highestModSeq } = inbox.view();
    const again = await sync();
    assert.match(again, /far side: 21 messages/);
    assert.doesNotMatch(again, /Copying|Propagating|Updating|Trashing|Expunging/i);
    await inbox.refresh();
    assert.equal(inbox.view().highestModSeq, highestModSeq, "the second run changes nothing");
    inbox.release();
    mail.release();
  });

  it("mutt reads, flags and deletes in one batch", async (context) => {
    if (!(await needs(context, "mutt"))) return;
    const account = "mutt@example.org";
    const mail = await store.account(account);
    const inbox = await mail.open("INBOX");
    for (const subject of ["first", "second", "third"]) {
      await inbox.append({
        content: memoryContent(message({ subject, body: `This is ${subject}.\r\n` })),
        flags: [],
      });
    }
    const home = join(directory, "mutt");
    await mkdir(home);
    await writeFile(join(home, "certificates"), server.certificate);
    const configuration = join(home, "muttrc");
    await writeFile(
      configuration,
      `set folder=${home}
set certificate_file=${home}/certificates
set ssl_verify_host=no
set imap_user=${account}
set imap_pass="${PASSWORD}"
set imap_check_subscribed=no
set delete=yes
set quit=yes
set sort=mailbox-order
set timeout=1
set wait_key=no
set header_cache=""
`,
    );
    await run(
      "script",
      [
        "-qec",
        `timeout --foreground 20 mutt -n -F ${configuration} -f imaps://127.0.0.1:${server.port}/INBOX -e 'push "<first-entry><display-message><exit><next-entry><flag-message><last-entry><delete-message><sync-mailbox><quit>"'`,
        "/dev/null",
      ],
      { env: { ...process.env, HOME: home, TERM: "xterm" } },
    );
    await inbox.refresh();
    const view = inbox.view();
    assert.equal(view.count, 2, "the third is deleted");
    assert.deepEqual(
      [view.flags[0]! & 1, view.flags[1]! & 4],
      [1, 4],
      "the first is seen, the second flagged",
    );
    inbox.release();
    mail.release();
  });

  it("imapflow reads the quota, and is told when a message does not fit (RFC 9208)", async () => {
    const client = new ImapFlow({
      host: "127.0.0.1",
      port: server.port,
      secure: true,
      tls: { rejectUnauthorized: false },
      auth: { user: "small@example.org", pass: PASSWORD },
      logger: false,
    });
    await client.connect();
    try {
      const fits = message({ subject: "fits", body: "x".repeat(1000) });
      assert.ok(await client.append("INBOX", fits));
      const quota = await client.getQuota("INBOX");
      // Two units of 1024 octets are begun.
      assert.partialDeepStrictEqual(quota, { storage: { limit: 2048, usage: 2048 } });
      await assert.rejects(
        client.append("INBOX", fits),
        (error: Error) => "serverResponseCode" in error && error.serverResponseCode === "OVERQUOTA",
      );
      const status = await client.status("INBOX", { messages: true });
      assert.ok(status && status.messages === 1);
    } finally {
      await client.logout();
    }
  });

  it("curl asks for the quota of a mailbox (RFC 9208 §4.1.2)", async (context) => {
    if (!(await needs(context, "curl"))) return;
    const { stdout } = await curl("-X", "GETQUOTAROOT INBOX", url());
    assert.match(
      stdout,
      /^\* QUOTAROOT INBOX "User quota"\r\n\* QUOTA "User quota" \(STORAGE \d+ 1048576\)\r\n/m,
    );
  });

  it("curl sets an annotation and reads it again, and it lies beside the mail (RFC 5464 §4)", async (context) => {
    if (!(await needs(context, "curl"))) return;
    await curl(
      "-X",
      'SETMETADATA INBOX (/private/comment "by curl" /shared/vendor/x/color "#b71c1c")',
      url(),
    );
    // Untagged answers of other names than the command's curl shows in its log alone.
    const { stderr } = await curl("-v", "-X", "GETMETADATA INBOX /private/comment", url());
    assert.match(stderr, /^< \* METADATA INBOX \(\/private\/comment "by curl"\)\r\n/m);
    const listed = await curl("-v", "-X", 'LIST "" INBOX RETURN (METADATA (/shared/vendor/x/color))', url());
    assert.match(listed.stderr, /^< \* METADATA INBOX \(\/shared\/vendor\/x\/color "#b71c1c"\)\r\n/m);
    const file = join(directory, "mail", "example.org", "anna", "mailkeep-metadata");
    assert.match(await readFile(file, "utf8"), /^mailkeep 1\n\/private\/comment\t/);
  });
});
