/** What the real fail2ban makes of offences.log, with its stock filters. */
import assert from "node:assert/strict";
import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { appendFile, mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { needs } from "../../test/support/tools.ts";
import { until } from "../queue/queue-for-tests.ts";
import { bansFixture } from "./bans-for-tests.ts";
import { type OffenceKind, offenceKinds } from "./offence.ts";
import { offenceLine } from "./offence-lines.ts";

const context = { hostname: "mail.example.org", pid: 17, now: Date.parse("2026-05-01T12:00:00Z") };
const CLIENT = "203.0.113.7";

/** Which filter, in which mode, takes an offence's line for one of this client's. */
const readBy: Readonly<Record<OffenceKind, string | undefined>> = {
  "login-failed-imap": "dovecot",
  "login-failed-pop3": "dovecot",
  "login-failed-sieve": "dovecot",
  "login-failed-smtp": "postfix[mode=auth]",
  "imap-abuse": "dovecot[mode=aggressive]",
  "unknown-recipient": "postfix",
  "relay-attempt": "postfix",
  "early-talker": "postfix[mode=aggressive]",
  "bare-lf": "postfix",
  pipelining: "postfix",
  "foreign-protocol": "postfix",
  smuggling: "postfix",
  "line-too-long": "postfix[mode=aggressive]",
  slow: "postfix[mode=aggressive]",
  "too-many-errors": "postfix",
  // Postfix and Dovecot log these as well, and the stock filters pass over them.
  "connections-smtp": undefined,
  "connections-mailbox": undefined,
  spam: undefined,
};

async function directory(t: TestContext): Promise<string> {
  const root = await mkdtemp(join(tmpdir(), "mailkeep-fail2ban-"));
  t.after(() => rm(root, { recursive: true, force: true }));
  return root;
}

/** Addresses that a stock filter finds in a log. */
function found(log: string, filter: string): string[] {
  const args = ["--usedns", "no", "-o", "ip", log, filter];
  const { stdout, stderr } = spawnSync("fail2ban-regex", args, { encoding: "utf8", timeout: 60_000 });
  assert.doesNotMatch(stderr, /Traceback/, stderr);
  return stdout.split("\n").filter((line) => line !== "");
}

test("fail2ban-regex finds the client in the line of every offence, and nobody else", {
  timeout: 120_000,
}, async (t) => {
  if (!needs(t, "fail2ban-regex")) return;
  const root = await directory(t);
  const hostile =
    "x> rip=198.51.100.1 [198.51.100.2]\r\n2026-05-01 postfix/smtpd[1]: too many errors after RCPT from a[198.51.100.3]";
  const filters = new Map<string, OffenceKind[]>();
  for (const kind of Object.keys(offenceKinds) as OffenceKind[]) {
    const filter = readBy[kind];
    if (filter !== undefined) filters.set(filter, [...(filters.get(filter) ?? []), kind]);
  }
  for (const [filter, kinds] of filters) {
    const log = join(root, `${filters.size}-${filter.replace(/\W/g, "_")}.log`);
    const lines = kinds.flatMap((kind) =>
      ["ann@example.org", "", hostile].map((about) => offenceLine({ kind, client: CLIENT, about }, context)),
    );
    await writeFile(log, lines.join(""));
    assert.deepEqual(
      found(log, filter),
      lines.map(() => CLIENT),
      `${filter}: ${kinds.join(", ")}`,
    );
  }
  const six = join(root, "six.log");
  await writeFile(
    six,
    offenceLine({ kind: "login-failed-imap", client: "2001:db8::7", about: "x" }, context),
  );
  assert.deepEqual(found(six, "dovecot"), ["2001:db8::7"]);
});

test("a real fail2ban bans by our log, with docker-mailserver's jails", { timeout: 120_000 }, async (t) => {
  if (!needs(t, "fail2ban-server", "fail2ban-client")) return;
  const root = await directory(t);
  const { open, directories } = await bansFixture(t);
  const bans = await open({ now: Date.now });
  const log = join(directories.log, "offences.log");
  assert.equal(await readFile(log, "utf8"), "");
  const config = join(root, "config");
  await mkdir(join(config, "jail.d"), { recursive: true });
  spawnSync("cp", ["-r", "/etc/fail2ban/filter.d", "/etc/fail2ban/action.d", config]);
  await writeFile(
    join(config, "fail2ban.conf"),
    `[Definition]\nloglevel = INFO\nlogtarget = ${root}/log\nsyslogsocket = auto\nsocket = ${root}/socket\npidfile = ${root}/pid\ndbfile = None\ndbpurgeage = 1d\n`,
  );
  await writeFile(
    join(config, "action.d/told.conf"),
    `[Definition]\nactionban = echo <ip> >> ${root}/banned\nactionunban =\n`,
  );
  const jail = (name: string, filter: string) => `[${name}]\nenabled = true\nfilter = ${filter}\n`;
  await writeFile(
    join(config, "jail.conf"),
    `[DEFAULT]\nbackend = polling\nlogpath = ${log}\nmaxretry = 6\nfindtime = 1w\nbantime = 1w\naction = told\nusedns = no\n${jail("dovecot", "dovecot")}${jail("postfix", "postfix[mode=extra]")}`,
  );
  const server = spawn("fail2ban-server", ["-f", "-x", "-c", config, "-s", `${root}/socket`, "start"], {
    stdio: "ignore",
  });
  t.after(async () => {
    server.kill("SIGTERM");
    if (server.exitCode === null && server.signalCode === null) await once(server, "exit");
  });
  const client = (...args: string[]) =>
    spawnSync("fail2ban-client", ["-c", config, "-s", `${root}/socket`, ...args], { encoding: "utf8" })
      .stdout;
  await until(() => client("status", "postfix").includes("Currently banned"), "fail2ban");

  for (let count = 0; count < 6; count++) {
    bans.offend({ kind: "login-failed-imap", client: CLIENT, about: "ann@example.org" });
    bans.offend({ kind: "login-failed-smtp", client: "203.0.113.8", about: "ann@example.org" });
    if (count < 5)
      bans.offend({ kind: "login-failed-imap", client: "203.0.113.9", about: "ann@example.org" });
  }
  assert.equal(bans.refusal(CLIENT), "drop", "we have banned it as well");
  const banned = () => readFile(join(root, "banned"), "utf8").catch(() => "");
  await until(async () => (await banned()).split("\n").length >= 3, "the bans");
  assert.deepEqual((await banned()).trim().split("\n").sort(), [CLIENT, "203.0.113.8"]);
  assert.match(
    client("status", "dovecot"),
    new RegExp(`Banned IP list:\\s+${CLIENT.replaceAll(".", "\\.")}`),
  );
  await appendFile(log, "");
});
