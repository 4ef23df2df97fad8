/** Clients that take mail away or keep a copy of it: offlineimap, fetchmail and s-nail over the real store. */
import assert from "node:assert/strict";
import { chmodSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, it, type TestContext } from "node:test";
import { ImapFlow } from "imapflow";
import { needs, run } from "../../test/support/tools.ts";
import { memoryContent } from "../message/content.ts";
import { silentLog } from "../net/log.ts";
import { openMaildirStore } from "../store/maildir/store.ts";
import { message } from "./test/messages.ts";
import { PASSWORD, startTestServer, USER } from "./test/server.ts";

/** Anna's INBOX with so many messages, the even ones seen, and a home for the client. */
async function serve(t: TestContext, messages: number) {
  const root = mkdtempSync(join(tmpdir(), "mailkeep-clients-"));
  const store = await openMaildirStore({
    directories: { mail: join(root, "mail"), state: join(root, "state") },
    log: silentLog,
  });
  const server = await startTestServer(store);
  t.after(async () => {
    await server.close();
    await store.close();
    rmSync(root, { recursive: true, force: true });
  });
  const account = await store.account(USER);
  await account.list();
  const inbox = await account.open("INBOX");
  for (let index = 1; index <= messages; index += 1) {
    await inbox.append({
      content: memoryContent(message({ subject: `letter ${index}`, body: `Number ${index}.\r\n` })),
      flags: index % 2 ? [] : ["\\Seen"],
    });
  }
  const home = join(root, "home");
  mkdirSync(home);
  const certificate = join(home, "certificate.pem");
  writeFileSync(certificate, server.certificate);
  return { store, account, inbox, home, certificate, port: server.port };
}

const env = (home: string) => ({ ...process.env, HOME: home });

describe("clients that fetch", () => {
  it("offlineimap copies everything once, carries changes both ways, and then has nothing to do", async (t) => {
    if (!needs(t, "offlineimap")) return;
    const { inbox, home, certificate, port } = await serve(t, 10);
    const configuration = join(home, "offlineimaprc");
    writeFileSync(
      configuration,
      `[general]
accounts = test
ui = basic
socktimeout = 20
metadata = ${home}/metadata
[Account test]
localrepository = local
remoterepository = remote
[Repository local]
type = Maildir
localfolders = ${home}/mail
[Repository remote]
type = IMAP
remotehost = localhost
remoteport = ${port}
remoteuser = ${USER}
remotepass = ${PASSWORD}
ssl = yes
sslcacertfile = ${certificate}
`,
    );
    const sync = async () => {
      const ran = await run("offlineimap", ["-o", "-c", configuration], {
        env: env(home),
        timeoutMs: 60_000,
      });
      assert.equal(ran.code, 0, ran.stdout + ran.stderr);
      return ran.stdout + ran.stderr;
    };
    await sync();
    const local = join(home, "mail", "INBOX");
    assert.equal(readdirSync(join(local, "cur")).length + readdirSync(join(local, "new")).length, 10);
    writeFileSync(
      join(local, "cur", "1.local:2,S"),
      message({ subject: "from the client", body: "x\r\n" }).toString().replaceAll("\r\n", "\n"),
    );
    await inbox.setFlags({ uids: [1], mode: "add", flags: ["\\Flagged"] });
    await sync();
    await inbox.refresh();
    assert.equal(inbox.view().count, 11);
    const names = ["cur", "new"].flatMap((part) => readdirSync(join(local, part)));
    assert.ok(
      names.some((name) => /:2,F$/.test(name)),
      names.join(" "),
    );
    assert.doesNotMatch(await sync(), /Copy message|Adding flag|Deleting/i);
    inbox.release();
  });

  it("fetchmail takes new messages whole, marks them, and removes them where it is told to", async (t) => {
    if (!needs(t, "fetchmail")) return;
    const { inbox, home, certificate, port } = await serve(t, 4);
    const configuration = join(home, "fetchmailrc");
    const box = join(home, "box");
    writeFileSync(
      configuration,
      `poll localhost protocol IMAP port ${port} user "${USER}" password "${PASSWORD}" ssl sslcertfile "${certificate}" sslcertck mda "cat >> ${box}"\n`,
    );
    chmodSync(configuration, 0o600);
    const fetch = (...options: string[]) =>
      run("fetchmail", ["-f", configuration, "--pidfile", join(home, "pid"), "--nosyslog", ...options], {
        env: env(home),
        timeoutMs: 30_000,
      });
    const first = await fetch("--keep");
    assert.equal(first.code, 0, first.stdout + first.stderr);
    const kept = readFileSync(box, "latin1");
    assert.match(kept, /Subject: letter 1\n[\s\S]*Number 1\.\n[\s\S]*Subject: letter 3\n/);
    assert.doesNotMatch(kept, /letter 2/);
    assert.equal((await fetch("--keep")).code, 1, "nothing is new");
    const last = await fetch("--all", "--nokeep");
    assert.equal(last.code, 0, last.stdout + last.stderr);
    await inbox.refresh();
    assert.equal(inbox.view().count, 0);
    inbox.release();
  });

  it("s-nail lists a mailbox and reads a message", async (t) => {
    if (!needs(t, "s-nail")) return;
    const { home, certificate, port, inbox } = await serve(t, 3);
    inbox.release();
    const url = `imaps://${encodeURIComponent(USER)}:${encodeURIComponent(PASSWORD)}@localhost:${port}/INBOX`;
    const { stdout, stderr } = await run(
      "s-nail",
      [
        "-n",
        "-S",
        "v15-compat",
        "-S",
        `tls-ca-file=${certificate}`,
        "-S",
        "tls-verify=ignore",
        "-S",
        "imap-auth=login",
        "-R",
        "-f",
        url,
      ],
      { input: "headers\ntype 2\nexit\n", env: env(home), timeoutMs: 30_000 },
    );
    assert.match(stdout, /letter 1[\s\S]*letter 3[\s\S]*Number 2\./, stdout + stderr);
  });

  it("imapflow lists, reads and files in a folder that somebody shares", async (t) => {
    const { account, inbox, port } = await serve(t, 2);
    inbox.release();
    await account.create("Team");
    await account.setAcl("Team", { identifier: "ben@example.org", mode: "replace", rights: "lrswit" });
    const client = new ImapFlow({
      host: "127.0.0.1",
      port,
      secure: true,
      auth: { user: "ben@example.org", pass: PASSWORD },
      tls: { rejectUnauthorized: false },
      logger: false,
    });
    await client.connect();
    const folders = (await client.list()).map(({ path }) => path);
    const shared = folders.find((path) => path.endsWith("Team"));
    assert.equal(shared, "shared.anna@example^org.Team");
    await client.append(shared, message({ subject: "for all", body: "hello\r\n" }), ["\\Seen"]);
    const lock = await client.getMailboxLock(shared);
    try {
      const found = await client.fetchOne("1", { envelope: true });
      assert.ok(found);
      assert.equal(found.envelope?.subject, "for all");
      await client.messageFlagsAdd("1", ["\\Deleted"]);
    } finally {
      lock.release();
    }
    await client.logout();
    const team = await account.open("Team");
    assert.equal(team.view().count, 1);
    team.release();
  });
});
