/** Relays that others have written: Postfix with Dovecot's SASL, by STARTTLS and by implicit TLS, with logins by sender. */
import assert from "node:assert/strict";
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { chmodSync, existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { freePort } from "../../test/support/loopback.ts";
import { skipWithoutPostfix, startPostfix } from "../../test/support/postfix.ts";
import { installed, skipWithout } from "../../test/support/tools.ts";
import { parseRelayHost } from "../config/dms/relays.ts";
import type { Snapshot, StackRelay } from "../config/snapshot.ts";
import { testCertificate } from "../net/test-certificate.ts";
import { snapshotOf } from "../routing/snapshot-for-tests.ts";
import { relaysOf } from "./declared-relays.ts";
import { envelope, submission, testQueue, until } from "./queue-for-tests.ts";
import { zoneResolver } from "./zone-resolver.ts";

const origin = { file: "postfix-relaymap.cf", line: 1, owner: "setup" } as const;

/** Dovecot's authentication alone, for these users; gives its socket. */
async function startDovecotAuth(t: TestContext, users: Readonly<Record<string, string>>): Promise<string> {
  const directory = mkdtempSync(join(tmpdir(), "mailkeep-dovecot-"));
  chmodSync(directory, 0o755);
  const at = (name: string) => join(directory, name);
  mkdirSync(at("run"));
  writeFileSync(
    at("users"),
    Object.entries(users)
      .map(([name, password]) => `${name}:{PLAIN}${password}\n`)
      .join(""),
  );
  writeFileSync(
    at("dovecot.conf"),
    `base_dir = ${at("run")}
log_path = ${at("log")}
protocols =
ssl = no
auth_mechanisms = plain login
passdb {
  driver = passwd-file
  args = ${at("users")}
}
service auth {
  unix_listener ${at("auth")} {
    mode = 0666
  }
}
`,
  );
  const child: ChildProcess = spawn("dovecot", ["-F", "-c", at("dovecot.conf")], { stdio: "ignore" });
  t.after(async () => {
    child.kill("SIGTERM");
    if (child.exitCode === null) await once(child, "exit");
    rmSync(directory, { recursive: true, force: true });
  });
  await until(() => existsSync(at("auth")), "Dovecot's authentication");
  return at("auth");
}

interface RelayUnderTest {
  readonly startTls: number;
  readonly implicit: number;
  readonly certificate: string;
  /** What Postfix logged so far. */
  log(): string;
}

/** A Postfix that relays for its users only: one port with STARTTLS, one with TLS from the first byte. */
async function startRelay(t: TestContext): Promise<RelayUnderTest> {
  const socket = await startDovecotAuth(t, { ann: "ann-secret", green: "green-secret" });
  const certificate = testCertificate("relay.test");
  const implicit = await freePort();
  const { port: startTls, log } = await startPostfix(t, {
    certificate,
    parameters: {
      default_transport: "discard",
      smtpd_sasl_auth_enable: "yes",
      smtpd_sasl_type: "dovecot",
      smtpd_sasl_path: socket,
      smtpd_tls_auth_only: "yes",
      smtpd_relay_restrictions: "permit_sasl_authenticated, reject",
    },
    services: [`127.0.0.1:${implicit} inet n - n - - smtpd -o smtpd_tls_wrappermode=yes`],
  });
  return {
    startTls,
    implicit,
    certificate: certificate.cert,
    log,
  };
}

/** The relays of green.test (files, with logins by sender) and blue.test (a declared one with implicit TLS). */
function declared({ startTls, implicit }: RelayUnderTest, password: string): Snapshot {
  const blue: StackRelay = {
    name: "blue",
    match: { recipientDomains: [], senders: [], senderDomains: ["blue.test"] },
    relay: {
      host: "relay.test",
      port: implicit,
      tls: "implicit",
      lookupMx: false,
      credentials: { username: "ann", password },
    },
    origin: { ...origin, owner: "stack" },
  };
  const host = parseRelayHost(`[relay.test]:${startTls}`);
  const mx = parseRelayHost(`mxrelay.test:${startTls}`);
  return {
    ...snapshotOf({ domains: ["green.test", "blue.test", "mx.test"] }),
    stackRelays: [blue],
    senderRelays: new Map([
      ["@green.test", { sender: "@green.test", relay: host, origin }],
      ["@mx.test", { sender: "@mx.test", relay: mx, origin }],
    ]),
    relayLogins: new Map([
      ["ann@green.test", { user: "ann", password: "ann-secret" }],
      ["@green.test", { user: "green", password: "green-secret" }],
      ["@mx.test", { user: "green", password: "green-secret" }],
    ]),
  };
}

const skip = skipWithoutPostfix || skipWithout(installed("dovecot"), "Dovecot is not installed");

test("Postfix relays for each sender by its own login, over STARTTLS at one port and implicit TLS at the other", {
  skip,
}, async (t) => {
  const relay = await startRelay(t);
  const choose = relaysOf(declared(relay, "ann-secret"));
  const resolver = zoneResolver({
    "A relay.test": ["127.0.0.1"],
    // relay.test's name lies not below mxrelay.test, and nothing vouches for the answer.
    "MX mxrelay.test": ["10 relay.test"],
    "A mxrelay.test": ["127.0.0.9"],
  });
  const { queue } = await testQueue(t, 9, {
    resolver,
    ca: [relay.certificate],
    timeouts: undefined,
    relayFor: (from, to) => choose(from, to).relay,
  });
  const send = (from: string) =>
    queue.enqueue(submission("x@far.test", { envelope: envelope("x@far.test", { from }) }));
  await send("ann@green.test");
  await send("ben@green.test");
  await send("cleo@blue.test");
  await until(() => queue.counts().delivered === 3, "the relay");
  await until(() => (relay.log().match(/sasl_username=/g) ?? []).length === 3, "Postfix's log");
  const users = [...relay.log().matchAll(/sasl_username=(\w+)/g)].map(([, user]) => user).sort();
  assert.deepEqual(users, ["ann", "ann", "green"]);

  const { id } = await send("dan@mx.test");
  await until(async () => ((await queue.operator.show(id))?.transcript.length ?? 0) > 0, "the attempt");
  const shown = await queue.operator.show(id);
  assert.match(
    shown?.recipients[0]?.lastReply ?? "",
    /certificate of relay\.test does not do/,
    "a login is not sent to a name that only some DNS answer said",
  );
});

test("a relay that refuses the login keeps the mail in the queue, and the password stays out of every reply", {
  skip,
}, async (t) => {
  const relay = await startRelay(t);
  const choose = relaysOf(declared(relay, "wrong-secret"));
  const { queue } = await testQueue(t, 9, {
    resolver: zoneResolver({ "A relay.test": ["127.0.0.1"] }),
    ca: [relay.certificate],
    timeouts: undefined,
    relayFor: (from, to) => choose(from, to).relay,
  });
  const { id } = await queue.enqueue(
    submission("x@far.test", { envelope: envelope("x@far.test", { from: "cleo@blue.test" }) }),
  );
  await until(async () => ((await queue.operator.show(id))?.transcript.length ?? 0) > 0, "the attempt");
  const shown = await queue.operator.show(id);
  assert.equal(shown?.recipients[0]?.status, "waiting");
  assert.match(shown?.transcript[0] ?? "", /temporary .*login of ann was answered 535/);
  assert.doesNotMatch(JSON.stringify(shown), /wrong-secret/);
});

test("a relay's certificate is checked against its own authorities where they are declared, and those alone", {
  skip,
}, async (t) => {
  const relay = await startRelay(t);
  const directory = mkdtempSync(join(tmpdir(), "mailkeep-authorities-"));
  t.after(() => rmSync(directory, { recursive: true }));
  const own = join(directory, "own.pem");
  const other = join(directory, "other.pem");
  writeFileSync(own, relay.certificate);
  writeFileSync(other, testCertificate("other.test").cert);
  const to = { host: "relay.test", port: relay.implicit, tls: "implicit" } as const;
  const credentials = { username: "ann", password: "ann-secret" };
  const files: Readonly<Record<string, string>> = {
    "own@far.test": own,
    "other@far.test": other,
    "absent@far.test": join(directory, "absent.pem"),
  };
  const { queue } = await testQueue(t, 9, {
    resolver: zoneResolver({ "A relay.test": ["127.0.0.1"] }),
    // What everybody else is trusted by says nothing about this relay.
    ca: [relay.certificate],
    timeouts: undefined,
    relayFor: (_from, recipient) => ({ ...to, credentials, caFile: files[recipient]! }),
  });
  const ids = new Map<string, string>();
  for (const address of Object.keys(files)) ids.set(address, (await queue.enqueue(submission(address))).id);
  const transcript = async (address: string) => {
    const show = () => queue.operator.show(ids.get(address)!);
    await until(async () => ((await show())?.transcript.length ?? 0) > 0, address);
    return (await show())?.transcript.join("\n") ?? "";
  };
  await until(async () => (await queue.operator.show(ids.get("own@far.test")!)) === undefined, "delivery");
  assert.match(await transcript("other@far.test"), /4\.7\.5.*certificate of relay\.test does not do/);
  assert.match(
    await transcript("absent@far.test"),
    /authorities of the relay relay\.test cannot be read: ENOENT/,
  );
});
