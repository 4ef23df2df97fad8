/**
 * The main job, end to end (README's first screen): a project of its own, the command line as a person runs it,
 * the embedded engine, a real server process, and mail clients that are not ours.
 */
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import * as fs from "node:fs";
import * as path from "node:path";
import { after, before, describe, test } from "node:test";
import { crowding } from "./support/crowding.ts";
import { TestProject } from "./support/project.ts";
import { needs, run } from "./support/tools.ts";

let project: TestProject;
before(async () => {
  project = await TestProject.create();
});
after(async () => {
  await project.close();
});

const both = { domains: ["green.test", "blue.test"], mailboxes: ["anna@green.test", "ben@blue.test"] };
const aliases = { "hello@green.test": ["anna@green.test", "ben@blue.test"] };

/** UIDs and Message-IDs in a mailbox, by curl. */
async function imap(
  user: string,
  command: string,
  mailbox = "",
): Promise<{ code: number | null; text: string }> {
  const [port, { hostname, caCertificateFile }, passwords] = await Promise.all([
    project.port("imaps"),
    project.outputs(),
    project.passwords(),
  ]);
  const result = await run("curl", [
    ...[
      "-sS",
      "--max-time",
      "20",
      "--cacert",
      caCertificateFile,
      "--resolve",
      `${hostname}:${port}:127.0.0.1`,
    ],
    ...["-u", `${user}:${passwords[user]}`, "-X", command, `imaps://${hostname}:${port}/${mailbox}`],
  ]);
  return { code: result.code, text: result.stdout + result.stderr };
}

async function send(to: string, subject: string): Promise<{ code: number | null; text: string }> {
  const result = await run("swaks", [
    ...["--server", "127.0.0.1", "--port", String(await project.port("smtp")), "--timeout", "20"],
    ...[
      "--helo",
      "source.test",
      "--from",
      "someone@source.test",
      "--to",
      to,
      "--header",
      `Subject: ${subject}`,
    ],
  ]);
  return { code: result.code, text: result.stdout + result.stderr };
}

describe("the local stack", { concurrency: false, timeout: 280_000 }, () => {
  test("start brings everything up, proves that mail flows and returns 0 with the server running", async () => {
    const begin = performance.now();
    const started = await project.mailkeep("start");
    const seconds = (performance.now() - begin) / 1000;
    assert.equal(started.code, 0, started.stdout + started.stderr);
    for (const step of [
      "submission",
      "signature",
      "queue",
      "MX look-up",
      "transfer",
      "reception",
      "SPF",
      "DKIM",
      "DMARC",
      "delivery",
      "fetch",
      "deletion",
    ])
      assert.match(started.stdout, new RegExp(`✓ ${step}`), started.stdout);
    assert.match(started.stdout, /Mail flows: anna@green\.test → ben@blue\.test/);
    assert.match(started.stdout, /imaps\s+127\.0\.0\.1:\d+/);
    assert.notEqual(await project.serverPid(), undefined);
    // The goal is 10 s; a CI machine gets twice that before this fails, a crowded one more.
    const most = 20 * crowding();
    assert.ok(seconds < most, `start took ${seconds} s of ${most}`);
  });

  test("a second up says that every resource is unchanged", async () => {
    const begin = performance.now();
    const { code, stdout, stderr } = await project.mailkeep("up", "--yes");
    assert.equal(code, 0, stderr);
    assert.match(stdout, /Nothing to do: \d+ unchanged/);
    const seconds = (performance.now() - begin) / 1000;
    const most = 6 * crowding();
    assert.ok(seconds < most, `up took ${seconds} s of ${most}`);
    assert.equal((await project.mailkeep("preview", "--expect-no-changes")).code, 0);
  });

  test("curl reads over imaps:// what swaks sent to port 25", async (t) => {
    if (!needs(t, "curl", "swaks")) return;
    const sent = await send("anna@green.test", "by swaks");
    assert.equal(sent.code, 0, sent.text);
    const found = await imap("anna@green.test", 'UID SEARCH SUBJECT "by swaks"', "INBOX");
    assert.match(found.text, /\* SEARCH \d+/);
  });

  test("mail to an alias reaches every target", async (t) => {
    if (!needs(t, "curl", "swaks")) return;
    assert.equal((await send("hello@green.test", "to both")).code, 0);
    for (const user of ["anna@green.test", "ben@blue.test"])
      assert.match((await imap(user, 'SEARCH SUBJECT "to both"', "INBOX")).text, /\* SEARCH \d+/);
  });

  test("swaks submits with AUTH over STARTTLS and implicit TLS, and is refused another's address", async (t) => {
    if (!needs(t, "swaks")) return;
    const password = (await project.passwords())["anna@green.test"]!;
    const submit = async (from: string, ...tls: string[]) =>
      run("swaks", [
        ...["--server", "127.0.0.1", "--auth-user", "anna@green.test", "--auth-password", password],
        ...["--from", from, "--to", "ben@blue.test", "--timeout", "20", ...tls],
      ]);
    const startTls = await submit(
      "anna@green.test",
      "--port",
      String(await project.port("submission")),
      "-tls",
    );
    assert.equal(startTls.code, 0, startTls.stdout);
    const implicit = ["--port", String(await project.port("submissions")), "-tlsc"];
    assert.equal((await submit("hello@green.test", ...implicit)).code, 0, "an alias of one's own is allowed");
    const spoofed = await submit("ben@blue.test", ...implicit);
    assert.notEqual(spoofed.code, 0);
    assert.match(spoofed.stdout, /553 5\.7\.1 .*not owned/);
  });

  test("mbsync copies a mailbox and has nothing to do the second time", async (t) => {
    if (!needs(t, "mbsync")) return;
    const { hostname: _, caCertificateFile } = await project.outputs();
    const local = path.join(project.directory, "mbsync");
    fs.mkdirSync(local);
    const config = path.join(project.directory, "mbsyncrc");
    fs.writeFileSync(
      config,
      [
        "IMAPAccount anna",
        "Host localhost",
        `Port ${await project.port("imaps")}`,
        "User anna@green.test",
        `Pass ${(await project.passwords())["anna@green.test"]}`,
        "SSLType IMAPS",
        `CertificateFile ${caCertificateFile}`,
        "",
        "IMAPStore far",
        "Account anna",
        "",
        "MaildirStore near",
        `Path ${local}/`,
        `Inbox ${local}/INBOX`,
        "SubFolders Verbatim",
        "",
        "Channel all",
        "Far :far:",
        "Near :near:",
        "Patterns *",
        "Create Near",
        `SyncState ${local}/state-`,
        "",
      ].join("\n"),
      { mode: 0o600 },
    );
    const first = await run("mbsync", ["-c", config, "-a"]);
    assert.equal(first.code, 0, first.stdout + first.stderr);
    const files =
      fs.readdirSync(path.join(local, "INBOX/new")).length +
      fs.readdirSync(path.join(local, "INBOX/cur")).length;
    assert.ok(files >= 2, `mbsync fetched ${files} messages`);
    const second = await run("mbsync", ["-c", config, "-V", "-a"]);
    assert.equal(second.code, 0, second.stderr);
    assert.doesNotMatch(second.stdout + second.stderr, /\+[1-9]/);
  });

  test("mutt opens the mailbox over IMAP and pipes a message to a program", async (t) => {
    if (!needs(t, "mutt", "script")) return;
    const { caCertificateFile } = await project.outputs();
    const password = (await project.passwords())["anna@green.test"]!;
    const home = path.join(project.directory, "mutt");
    fs.mkdirSync(home);
    const saved = path.join(home, "saved");
    const rc = path.join(home, "muttrc");
    fs.writeFileSync(
      rc,
      [
        'set imap_user="anna@green.test"',
        `set imap_pass="${password}"`,
        `set certificate_file="${caCertificateFile}"`,
        "set ssl_verify_host=yes",
        "set confirmcreate=no",
        "set confirmappend=no",
        "set delete=no",
        "set wait_key=no",
        "set mbox_type=mbox",
        `set folder="${home}"`,
        "set ssl_force_tls=yes",
        "",
      ].join("\n"),
    );
    const url = `imaps://localhost:${await project.port("imaps")}/INBOX`;
    // mutt wants a terminal; script(1) gives it one.
    const command = `mutt -n -F '${rc}' -f '${url}' -e "push '<first-entry><pipe-message>cat >${saved}<enter><exit>'"`;
    const result = await run("script", ["-qec", command, "/dev/null"], {
      cwd: home,
      env: { HOME: home, TERM: "xterm" },
      timeoutMs: 30_000,
    });
    assert.ok(fs.existsSync(saved), `mutt saved nothing: ${result.code} ${result.stdout} ${result.stderr}`);
    assert.match(fs.readFileSync(saved, "utf8"), /^Subject: /m);
  });

  test("explain, trace and queue tell the way of an address, of a message, and what waits", async (t) => {
    if (!needs(t, "swaks")) return;
    const explained = await project.mailkeep("explain", "hello+x@green.test");
    assert.equal(explained.code, 0, explained.stderr);
    assert.match(explained.stdout, /alias .*hello@green\.test → ben@blue\.test .*stack\/aliases/);
    assert.match(explained.stdout, /delivered to the mailbox of anna@green\.test/);
    const traced = await project.mailkeep("trace", "someone@source.test");
    assert.match(traced.stdout, /received from 127\.0\.0\.1: stored for anna@green\.test; accept/);
    const password = (await project.passwords())["anna@green.test"]!;
    const sent = await run("swaks", [
      ...["--server", "127.0.0.1", "--port", String(await project.port("submissions")), "-tlsc"],
      ...["--auth-user", "anna@green.test", "--auth-password", password],
      ...["--from", "anna@green.test", "--to", "someone@unreachable.test", "--timeout", "20"],
    ]);
    assert.equal(sent.code, 0, sent.stdout);
    const waiting = await project.mailkeep("queue");
    const id = /^(\S+) {2}anna@green\.test → someone@unreachable\.test/m.exec(waiting.stdout)?.[1];
    assert.ok(id, waiting.stdout + waiting.stderr);
    assert.match((await project.mailkeep("queue", "hold", "unreachable.test")).stdout, /held/);
    assert.match(
      (await project.mailkeep("queue", "show", id)).stdout,
      /waiting {4}someone@unreachable\.test/,
    );
    assert.match((await project.mailkeep("queue", "delete", id)).stdout, /deleted/);
    assert.match((await project.mailkeep("queue", "list")).stdout, /The queue is empty/);
  });

  test("learn teaches the filter, and explain says what it finds in a message file", async () => {
    const file = path.join(project.directory, "letter.eml");
    fs.writeFileSync(
      file,
      "From: eve@source.test\r\nSubject: cheap viagra\r\n\r\nwithout prescription, online pharmacy\r\n",
    );
    const learnt = await project.mailkeep("learn", "spam", file);
    assert.match(learnt.stdout, /letter\.eml: 1 message learnt as spam/, learnt.stderr);
    assert.match(
      (await project.mailkeep("learn", "spam", file)).stdout,
      /0 messages learnt as spam, 1 known already/,
    );
    const mailbox = await project.mailkeep("learn", "ham", "anna@green.test:INBOX");
    assert.match(mailbox.stdout, /anna@green\.test:INBOX: \d+ messages? learnt as ham/, mailbox.stderr);
    const explained = await project.mailkeep("explain", file);
    assert.match(
      explained.stdout,
      /6\.00 +TALKS_PHARMACY +talks of pills/,
      explained.stdout + explained.stderr,
    );
  });

  test("adding a mailbox previews exactly that change, and up makes it", async () => {
    await project.configure({ ...both, mailboxes: [...both.mailboxes, "cleo@green.test"], aliases });
    const preview = await project.mailkeep("preview", "--expect-no-changes");
    assert.equal(preview.code, 2, preview.stdout + preview.stderr);
    assert.match(preview.stdout, /\+ Mailbox mail-cleo@green\.test/);
    assert.match(preview.stdout, /1 to create/);
    assert.doesNotMatch(preview.stdout, /to (update|delete|replace)/);
    assert.equal((await project.mailkeep("up", "--yes")).code, 0);
    assert.match((await imap("cleo@green.test", "NOOP")).text, /^$/);
  });

  test("removing a mailbox refuses its logins and its mail and keeps both; declaring it again finds the same UIDs", async (t) => {
    if (!needs(t, "curl", "swaks")) return;
    assert.equal((await send("cleo@green.test", "kept")).code, 0);
    const before = await imap("cleo@green.test", "UID FETCH 1:* (UID FLAGS)", "INBOX");
    const status = await imap("cleo@green.test", "STATUS INBOX (UIDVALIDITY UIDNEXT MESSAGES)");
    assert.match(status.text, /MESSAGES 1/);
    await project.configure({ ...both, aliases });
    assert.equal((await project.mailkeep("up", "--yes")).code, 0);
    assert.notEqual((await imap("cleo@green.test", "NOOP")).code, 0, "the login is refused");
    const refused = await send("cleo@green.test", "refused");
    assert.match(refused.text, /550 5\.2\.1/);
    const maildir = path.join(project.data, "mail/green.test/cleo");
    const kept = ["new", "cur"].flatMap((folder) => fs.readdirSync(path.join(maildir, folder)));
    assert.equal(kept.length, 1, "the Maildir stays");
    await project.configure({ ...both, mailboxes: [...both.mailboxes, "cleo@green.test"], aliases });
    assert.equal((await project.mailkeep("up", "--yes")).code, 0);
    const again = await imap("cleo@green.test", "UID FETCH 1:* (UID FLAGS)", "INBOX");
    assert.deepEqual(uids(again.text), uids(before.text));
    const statusAgain = await imap("cleo@green.test", "STATUS INBOX (UIDVALIDITY UIDNEXT MESSAGES)");
    assert.equal(value(statusAgain.text, "UIDVALIDITY"), value(status.text, "UIDVALIDITY"));
    await project.configure({ ...both, aliases });
    assert.equal((await project.mailkeep("up", "--yes")).code, 0);
  });

  test("a stopped and a killed server come back as a one-line change", async () => {
    assert.equal((await project.mailkeep("stop")).code, 0);
    assert.equal(await project.serverPid(), undefined);
    const stopped = await project.mailkeep("preview", "--expect-no-changes");
    assert.equal(stopped.code, 2);
    assert.deepEqual(changes(stopped.stdout), ["~ Server mail-server"]);
    assert.equal((await project.mailkeep("up", "--yes")).code, 0);
    const pid = await project.serverPid();
    assert.notEqual(pid, undefined);
    process.kill(pid!, "SIGKILL");
    await gone(pid!);
    const killed = await project.mailkeep("up", "--yes");
    assert.equal(killed.code, 0, killed.stderr);
    assert.deepEqual(changes(killed.stdout), ["~ Server mail-server"]);
    assert.equal((await project.mailkeep("probe")).code, 0);
  });

  test("no password and no private key stands in the state, the logs or --json output", async () => {
    const secrets = Object.values(await project.passwords());
    assert.ok(secrets.length >= 2);
    const outputs = await project.mailkeep("outputs", "--json");
    const up = await project.mailkeep("up", "--yes", "--json");
    const texts: [string, string][] = [
      ["outputs --json", outputs.stdout + outputs.stderr],
      ["up --json", up.stdout + up.stderr],
    ];
    for (const folder of [path.join(project.directory, ".mailkeep/.pulumi"), path.join(project.data, "log")])
      for (const entry of fs.readdirSync(folder, { recursive: true, withFileTypes: true }))
        if (entry.isFile()) {
          const file = path.join(entry.parentPath, entry.name);
          texts.push([file, fs.readFileSync(file, "utf8")]);
        }
    assert.ok(texts.length > 4);
    for (const [name, text] of texts) {
      for (const secret of secrets) assert.ok(!text.includes(secret), `${name} holds a password`);
      assert.doesNotMatch(text, /PRIVATE KEY/, name);
      assert.doesNotMatch(text, /\$6\$/, `${name} holds a password hash`);
    }
  });

  test("the server answers on SMTP and IMAP within a second of its start and idles below 150 MB (PSS)", async () => {
    await project.mailkeep("stop");
    await project.mailkeep("up", "--yes");
    const pid = (await project.serverPid())!;
    await new Promise((resolve) => setTimeout(resolve, 1500));
    const pss = Number(/^Pss:\s+(\d+) kB/m.exec(fs.readFileSync(`/proc/${pid}/smaps_rollup`, "utf8"))?.[1]);
    assert.ok(pss > 0 && pss < 150_000, `PSS is ${pss} kB`);
    const lines = fs
      .readFileSync(path.join(project.data, "log/mail.log"), "utf8")
      .split("\n")
      .filter((line) => line.includes(`"pid":${pid}`) && line.includes('"started"'));
    const startedAt = (JSON.parse(lines[0]!) as { time: number }).time;
    const ticks = Number(fs.readFileSync(`/proc/${pid}/stat`, "utf8").split(") ")[1]!.split(" ")[19]);
    const hertz = Number(execFileSync("getconf", ["CLK_TCK"], { encoding: "utf8" }));
    const boot = Number(/^btime (\d+)/m.exec(fs.readFileSync("/proc/stat", "utf8"))![1]);
    const seconds = startedAt / 1000 - (boot + ticks / hertz);
    // btime has a resolution of one second; the goal of 1 s is measured by hand on a quiet machine.
    const most = 3 * crowding();
    assert.ok(
      seconds < most,
      `the server was ready ${seconds} s after its process started, not within ${most}`,
    );
  });

  test("destroy takes the stack down, says where the mail is, and keeps it", async () => {
    const destroyed = await project.mailkeep("destroy", "--yes");
    assert.equal(destroyed.code, 0, destroyed.stdout + destroyed.stderr);
    assert.equal(await project.serverPid(), undefined);
    assert.ok(fs.existsSync(path.join(project.data, "mail/green.test/anna/cur")));
    assert.ok((destroyed.stdout + destroyed.stderr).includes(path.join(".mailkeep/dev")), destroyed.stdout);
    const again = await project.mailkeep("start");
    assert.equal(again.code, 0, again.stdout + again.stderr);
    assert.match((await imap("anna@green.test", 'SEARCH SUBJECT "by swaks"', "INBOX")).text, /\* SEARCH \d+/);
  });
});

function uids(text: string): string[] {
  return [...text.matchAll(/UID (\d+)/g)].map(([, uid]) => uid!);
}
function value(text: string, name: string): string | undefined {
  return new RegExp(`${name} (\\d+)`).exec(text)?.[1];
}
/** Lines of a display that stand for a change: their mark, type and name. */
function changes(text: string): string[] {
  return [...text.matchAll(/^([+~±-]) (\S+ \S+):/gm)].map(([, mark, what]) => `${mark} ${what}`);
}
async function gone(pid: number): Promise<void> {
  for (let i = 0; i < 100; i++) {
    try {
      process.kill(pid, 0);
    } catch {
      return;
    }
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}
