import assert from "node:assert/strict";
import { mkdir, mkdtemp, readdir, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { needs, run } from "../../test/support/tools.ts";
import { perform } from "../admin/operations.ts";
import { openClassifier } from "../filter/bayes/classifier.ts";
import { memoryContent } from "../message/content.ts";
import { silentLog } from "../net/log.ts";
import { startServer } from "../server.ts";
import { directoriesBelow } from "../settings/directories.ts";
import { lessonOf, type Purpose } from "./lesson.ts";
import { splitMbox } from "./sources.ts";
import { createTeacher } from "./teacher.ts";

const ANN = "ann@green.test";
const purposeOf = (mailbox: string): Purpose =>
  mailbox === "Junk" ? "junk" : mailbox === "Trash" ? "trash" : undefined;
const message = (id: string) =>
  memoryContent(Buffer.from(`Message-ID: <${id}@x.test>\r\nSubject: buy ${id}\r\n\r\ncheap pills ${id}\r\n`));

for (const [from, to, as] of [
  ["INBOX", "Junk", "spam"],
  ["Junk", "INBOX", "ham"],
  ["Junk", "Work", "ham"],
  ["Junk", "Trash", undefined],
  ["INBOX", "Trash", undefined],
  ["Trash", "Junk", "spam"],
  ["INBOX", "Work", undefined],
] as const)
  test(`moving mail from ${from} to ${to} says ${as ?? "nothing"}`, () => {
    assert.equal(lessonOf({ account: ANN, mailbox: to, from, uids: [1] }, purposeOf), as);
  });
for (const [keywords, as] of [
  [["$Junk"], "spam"],
  [["$NotJunk"], "ham"],
  [["NonJunk"], "ham"],
  [["$Junk", "$NotJunk"], undefined],
  [["$Forwarded"], undefined],
] as const)
  test(`setting ${keywords.join(" and ")} says ${as ?? "nothing"}`, () => {
    assert.equal(lessonOf({ account: ANN, mailbox: "INBOX", keywords, uids: [1] }, purposeOf), as);
  });

async function schooled(t: TestContext) {
  const root = await mkdtemp(join(tmpdir(), "mailkeep-learning-"));
  t.after(() => rm(root, { recursive: true, force: true }));
  const classifier = openClassifier({ directory: join(root, "classifier"), log: silentLog });
  t.after(() => classifier.close());
  const directory = join(root, "learning");
  return { directory, classifier, teacher: createTeacher({ directory, classifier, log: silentLog }) };
}

test("each message counts once for its last class, over a restart as well", async (t) => {
  const { directory, classifier, teacher } = await schooled(t);
  assert.equal(await teacher.teach(message("a"), "spam", ANN), true);
  assert.equal(await teacher.teach(message("a"), "spam", ANN), false);
  await teacher.teach(message("b"), "spam", ANN);
  assert.deepEqual(await classifier.messages(ANN), { spam: 2, ham: 0 });
  const again = createTeacher({ directory, classifier, log: silentLog });
  assert.equal(await again.teach(message("b"), "spam", ANN), false);
  await again.teach(message("a"), "ham", ANN);
  assert.deepEqual(await classifier.messages(ANN), { spam: 1, ham: 1 });
  assert.deepEqual(await classifier.messages(), { spam: 1, ham: 1 });
});

test("a damaged lesson is left out, and those behind it are learnt", async (t) => {
  const { directory, classifier, teacher } = await schooled(t);
  await mkdir(directory);
  await writeFile(join(directory, "1.lesson"), "no lesson");
  const head = JSON.stringify({ as: "ham", account: ANN });
  await writeFile(join(directory, "2.lesson"), `${head}\n${message("c").buffer}`);
  assert.equal(await teacher.learnWaiting(), 1);
  assert.deepEqual(await classifier.messages(ANN), { spam: 0, ham: 1 });
  assert.deepEqual(
    (await readdir(directory)).filter((name) => name.endsWith(".lesson")),
    [],
  );
});

test("an mbox is as many messages as it has From lines; a sentence that begins with From is none (RFC 4155)", () => {
  const one = "Subject: a\r\n\r\nFrom here on it is text.\r\n";
  const line = "From a@x.test Thu Nov 26 10:00:00 2026\r\n";
  const texts = [...splitMbox(Buffer.from(`${line}${one}\r\n${line}Subject: b\r\n\r\nb\r\n`))];
  assert.deepEqual(
    texts.map(({ buffer }) => buffer!.toString()),
    [one, "Subject: b\r\n\r\nb\r\n"],
  );
});

/** A whole server with one account, and what its filter has learnt. */
async function learningServer(t: TestContext) {
  const root = await mkdtemp(join(tmpdir(), "mailkeep-learning-"));
  t.after(() => rm(root, { recursive: true, force: true }));
  const directories = directoriesBelow(root);
  const version = "0.0.0-test";
  const owner = "test";
  const offline = { directories, version };
  const listeners = [{ protocol: "imaps" as const, address: "127.0.0.1", port: 0 }];
  const settings = { hostname: "mail.green.test", listeners, dns: { servers: ["127.0.0.1:9"] } };
  await perform("settings.put", { settings, owner }, offline);
  await perform("domain.put", { domain: "green.test", owner }, offline);
  const password = { text: "secret", policy: "initial" as const };
  await perform("mailbox.put", { address: ANN, owner, password }, offline);
  const issuer = { type: "local-ca" as const };
  await perform("certificate.put", { names: ["mail.green.test"], issuer, owner }, offline);
  const server = await startServer({ ...offline, env: {}, logToStdout: false, onStopRequested: () => {} });
  t.after(() => server.stop(1000));
  const url = `imaps://127.0.0.1:${server.listeners()[0]!.port}`;
  const curl = async (mailbox: string, ...args: string[]) => {
    const { code, stderr } = await run("curl", ["-sSk", "-u", `${ANN}:secret`, `${url}/${mailbox}`, ...args]);
    assert.equal(code, 0, stderr);
  };
  const learnt = async (spam: number, ham: number) => {
    const until = Date.now() + 20_000;
    for (;;) {
      const classifier = openClassifier({ directory: `${directories.state}/classifier`, log: silentLog });
      const messages = await classifier.messages(ANN);
      await classifier.close();
      if ((messages.spam === spam && messages.ham === ham) || Date.now() > until)
        return assert.deepEqual(messages, { spam, ham });
      await sleep(100);
    }
  };
  return { root, directories, url, curl, learnt };
}

test("curl moves mail to Junk and back: the filter learns spam, then ham; folders and mailboxes are learnt by command", async (t) => {
  if (!needs(t, "curl")) return;
  const { root, curl, learnt } = await learningServer(t);
  const file = join(root, "one.eml");
  await writeFile(file, message("moved").buffer!);
  await curl("INBOX", "-T", file);
  await curl("", "-X", "CREATE Junk");
  await curl("INBOX", "-X", "UID MOVE 1 Junk");
  await learnt(1, 0);
  await curl("Junk", "-X", "COPY 1 INBOX");
  await learnt(0, 1);
  await curl("INBOX", "-X", "STORE 1 +FLAGS ($Junk)");
  await learnt(1, 0);

  const command = new URL("../cli/main.ts", import.meta.url).pathname;
  const learn = async (...args: string[]) =>
    (await run(process.execPath, [command, "--root", root, "learn", ...args])).stdout;
  const folder = join(root, "folder");
  await mkdir(folder);
  await writeFile(join(folder, "a"), message("a").buffer!);
  await writeFile(join(folder, "b"), message("b").buffer!);
  assert.match(await learn("ham", folder, "--account", ANN), /2 messages learnt as ham/);
  assert.match(await learn("ham", folder, "--account", ANN), /0 messages learnt as ham, 2 known already/);
  assert.match(await learn("ham", `${ANN}:INBOX`), /1 message learnt as ham/);
  await learnt(0, 3);
});

test("mutt moves mail to Junk, and back: the filter learns spam, then ham", async (t) => {
  if (!needs(t, "curl", "mutt", "script")) return;
  const { root, directories, url, curl, learnt } = await learningServer(t);
  const file = join(root, "one.eml");
  await writeFile(file, message("moved by mutt").buffer!);
  await curl("INBOX", "-T", file);
  await curl("", "-X", "CREATE Junk");
  const configuration = join(root, "muttrc");
  await writeFile(
    configuration,
    [
      `set imap_user="${ANN}"`,
      'set imap_pass="secret"',
      `set folder="${url}/"`,
      `set certificate_file="${directories.config}/ca.pem"`,
      "set ssl_verify_host=no",
      "set confirmappend=no",
      "set confirmcreate=no",
      "set delete=yes",
      "set quit=yes",
      "set wait_key=no",
      "set timeout=1",
      "",
    ].join("\n"),
  );
  const move = async (from: string, to: string) => {
    const keys = `push "<first-entry><save-message>=${to}<enter><sync-mailbox><quit>"`;
    const mutt = `timeout --foreground 30 mutt -n -F ${configuration} -f ${url}/${from} -e '${keys}'`;
    await run("script", ["-qec", mutt, "/dev/null"], { env: { HOME: root, TERM: "xterm" } });
  };
  await move("INBOX", "Junk");
  await learnt(1, 0);
  await move("Junk", "INBOX");
  await learnt(0, 1);
});
