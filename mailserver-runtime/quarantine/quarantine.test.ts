import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { mkdtemp, readdir, readFile, rm, utimes, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { promisify } from "node:util";
import { needs } from "../../test/support/tools.ts";
import { perform } from "../admin/operations.ts";
import { memoryContent } from "../message/content.ts";
import { silentLog } from "../net/log.ts";
import { startServer } from "../server.ts";
import { directoriesBelow } from "../settings/directories.ts";
import { type Detained, openQuarantine, QuarantineFull } from "./quarantine.ts";

const run = promisify(execFile);
const DAY_MS = 86_400_000;
const text = Buffer.from("Subject: hi\r\n\r\nbody\r\n");
const message = (changes: Partial<Detained> = {}): Detained => ({
  receivedAt: "2026-11-26T10:00:00.000Z",
  from: "x@y.test",
  recipients: [{ kind: "account", address: "ann@example.org", original: "ann@example.org" }],
  client: "192.0.2.1",
  helo: "y.test",
  subject: "hi",
  reason: "score 9.0 reaches 6",
  score: 9,
  findings: [],
  prefix: Buffer.from("Received: here\r\n"),
  content: memoryContent(text),
  ...changes,
});
async function opened(t: TestContext, limits: { maxBytes?: number; maxMessages?: number } = {}) {
  const directory = await mkdtemp(join(tmpdir(), "mailkeep-quarantine-"));
  t.after(() => rm(directory, { recursive: true, force: true }));
  const clock = { now: Date.parse("2026-11-26T10:00:00Z") };
  const quarantine = openQuarantine({
    directory,
    limits: () => ({ days: 7, maxBytes: 10_000, maxMessages: 3, ...limits }),
    log: silentLog,
    clock: () => clock.now,
  });
  return { directory, quarantine, clock };
}

test("a quarantined message is two plain files, which another process reads", async (t) => {
  const { directory, quarantine } = await opened(t);
  const id = await quarantine.detain(message());
  assert.deepEqual((await readdir(directory)).sort(), [`${id}.eml`, `${id}.json`]);
  assert.equal(await readFile(join(directory, `${id}.eml`), "latin1"), `Received: here\r\n${text}`);
  const other = openQuarantine({
    directory,
    limits: () => ({ days: 1, maxBytes: 1, maxMessages: 1 }),
    log: silentLog,
  });
  const [entry] = await other.list();
  assert.deepEqual([entry?.id, entry?.expires], [id, "2026-12-03T10:00:00.000Z"]);
  assert.equal((await other.content(entry!)).size, entry?.size);
});

test("a message expires after its days, one of a process that died before its 250 is swept away, others stay", async (t) => {
  const { directory, quarantine, clock } = await opened(t);
  const old = await quarantine.detain(message());
  clock.now += 5 * DAY_MS;
  const young = await quarantine.detain(message());
  const left = join(directory, "abcdefgh-0123456789ab.eml");
  await writeFile(left, text);
  await utimes(left, clock.now / 1000 - 7200, clock.now / 1000 - 7200);
  await writeFile(join(directory, "notes.txt"), "an administrator's own");
  clock.now += 2 * DAY_MS;
  assert.equal(await quarantine.expire(), 1);
  assert.equal(await quarantine.find(old), undefined);
  assert.deepEqual((await readdir(directory)).sort(), [`${young}.eml`, `${young}.json`, "notes.txt"].sort());
});

test("a full quarantine takes nothing more and forgets nothing; the message that did not fit leaves no file", async (t) => {
  const { directory, quarantine } = await opened(t, { maxMessages: 1 });
  const id = await quarantine.detain(message());
  await assert.rejects(quarantine.detain(message()), QuarantineFull);
  assert.deepEqual((await readdir(directory)).sort(), [`${id}.eml`, `${id}.json`]);
  await quarantine.remove(id);
  await quarantine.detain(message());
});

test("a damaged envelope hides its own message only, and an id is never a path", async (t) => {
  const { directory, quarantine } = await opened(t);
  const damaged = await quarantine.detain(message());
  const sound = await quarantine.detain(message());
  await writeFile(join(directory, `${damaged}.json`), "{");
  assert.deepEqual(
    (await quarantine.list()).map(({ id }) => id),
    [sound],
  );
  assert.equal(await quarantine.remove("../../etc/passwd"), false);
  assert.equal(await quarantine.find("../x"), undefined);
});

test("what swaks sends is kept, listed, shown, learnt, released past the filter, and deleted", async (t) => {
  if (!needs(t, "swaks")) return;
  const root = await mkdtemp(join(tmpdir(), "mailkeep-quarantine-"));
  t.after(() => rm(root, { recursive: true, force: true }));
  const directories = directoriesBelow(root);
  const version = "0.0.0-test";
  const owner = "test";
  const offline = { directories, version };
  const settings = {
    hostname: "mail.green.test",
    listeners: [{ protocol: "smtp" as const, address: "127.0.0.1", port: 0 }],
    dns: { servers: ["127.0.0.1:9"] },
    filter: { overrides: [{ for: "ann@green.test", block: ["127.0.0.1"] }] },
  };
  await perform("settings.put", { settings, owner }, offline);
  await perform("domain.put", { domain: "green.test", owner }, offline);
  for (const name of ["ann", "bob"])
    await perform(
      "mailbox.put",
      { address: `${name}@green.test`, owner, password: { text: "secret secret", policy: "initial" } },
      offline,
    );
  const issuer = { type: "local-ca" as const };
  await perform("certificate.put", { names: ["mail.green.test"], issuer, owner }, offline);
  const server = await startServer({
    directories,
    env: {},
    version,
    logToStdout: false,
    onStopRequested: () => {},
  });
  t.after(() => server.stop(1000));
  const port = String(server.listeners()[0]!.port);
  const send = () =>
    run("swaks", ["-s", `127.0.0.1:${port}`, "-f", "x@y.test", "-t", "ann@green.test,bob@green.test"]);
  const command = new URL("../cli/main.ts", import.meta.url).pathname;
  const quarantine = async (...args: string[]) =>
    (await run(process.execPath, [command, "--root", root, "quarantine", ...args])).stdout;
  const inboxOf = (name: string) =>
    readdir(join(directories.mail, "green.test", name, "new")).catch(() => []);

  await send();
  assert.equal((await inboxOf("bob")).length, 1);
  assert.equal((await inboxOf("ann")).length, 0);
  const [line = ""] = (await quarantine("list")).split("\n");
  assert.match(line, /<x@y\.test> to ann@green\.test .*other recipients took it/);
  const id = line.split(" ")[0]!;
  assert.match(await quarantine("show", id), /kept until .*\n[\s\S]*SENDER_BLOCKED|^Subject: test/m);
  assert.match(await quarantine("learn", id), /1 message learnt as ham/);
  assert.match(await quarantine("release", id), /1 message released/);
  const [released] = await inboxOf("ann");
  const stored = await readFile(join(directories.mail, "green.test", "ann", "new", released!), "utf8");
  assert.match(stored, /^Return-Path: <x@y\.test>\r\n/);
  assert.equal(await quarantine("list"), "The quarantine is empty.\n");

  await send();
  assert.match(await quarantine("delete", "--all"), /1 message deleted/);
  const { stdout } = await run(process.execPath, [
    command,
    "--root",
    root,
    "explain",
    join(directories.mail, "green.test", "ann", "new", released!),
    "--recipient",
    "ann@green.test",
  ]);
  assert.match(stdout, /R_SPF_DNSFAIL[\s\S]*is its score: it is refused, 550 5\.7\.1/);
  await assert.rejects(quarantine("release", id), { code: 1 });
  assert.equal((await inboxOf("ann")).length, 1);
});
