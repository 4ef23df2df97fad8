import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync } from "node:fs";
import { mkdir, mkdtemp, readdir, readFile, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, afterEach, beforeEach, test } from "node:test";
import { fileURLToPath } from "node:url";
import { closePasswordHashing, hashPassword } from "../auth/password/password.ts";
import { openConfiguration } from "../config/configuration.ts";
import { silentLog } from "../net/log.ts";
import { type Directories, directoriesBelow } from "../settings/directories.ts";
import { type AdminContext, OperationError } from "./context.ts";
import { type OperationName, type OperationRequest, operations } from "./contract.ts";
import { perform, performUnchecked } from "./operations.ts";
import { sweepUnfinished } from "./sweep.ts";

let root: string;
let directories: Directories;
let context: AdminContext;

beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), "admin-"));
  directories = directoriesBelow(root);
  context = { directories, version: "1.2.3" };
});
afterEach(() => rm(root, { recursive: true, force: true }));
after(closePasswordHashing);

function ask<N extends OperationName>(name: N, request: OperationRequest<N>) {
  return perform(name, request, context);
}
const failsWith = (code: string, text: RegExp) => (error: Error) => {
  assert.ok(error instanceof OperationError, String(error));
  assert.equal(error.code, code);
  assert.match(error.message, text);
  return true;
};
const initial = (text: string) => ({ text, policy: "initial" }) as const;
const address = "ann@example.org";
const stackFile = () => join(directories.config, "stack/mailboxes/ann@example.org.json");

test("A mailbox is created once, found again, and the same request writes nothing", async () => {
  const request = { address: "Ann@Example.org", owner: "urn:a", password: initial("secret"), quotaBytes: 7 };
  assert.deepEqual(await ask("mailbox.put", request), { address, created: true, adoptedFrom: undefined });
  const before = await stat(stackFile());
  assert.deepEqual(await ask("mailbox.put", request), { address, created: false, adoptedFrom: undefined });
  assert.equal((await stat(stackFile())).ino, before.ino);
  assert.equal(before.mode & 0o777, 0o600);
  const read = await ask("mailbox.read", { address, password: "secret" });
  assert.deepEqual(
    [read.exists, read.enabled, read.owner, read.quotaBytes, read.passwordMatches],
    [true, true, "urn:a", 7, true],
  );
  assert.equal((await ask("mailbox.read", { address, password: "other" })).passwordMatches, false);
});

test("An initial password stays what its user made of it; an enforced one is set again (D3)", async () => {
  await ask("mailbox.put", { address, owner: "urn:a", password: initial("first") });
  await ask("mailbox.put", { address, owner: "urn:a", password: initial("second") });
  assert.equal((await ask("mailbox.read", { address, password: "first" })).passwordMatches, true);
  await ask("mailbox.put", { address, owner: "urn:a", password: { text: "third", policy: "enforced" } });
  assert.equal((await ask("mailbox.read", { address, password: "third" })).passwordMatches, true);
  const hash = await hashPassword("fourth");
  await ask("mailbox.put", { address, owner: "urn:a", passwordHash: hash });
  assert.equal((await ask("mailbox.read", { address, password: "fourth" })).passwordMatches, true);
  await assert.rejects(
    ask("mailbox.put", { address, owner: "urn:a", passwordHash: "{ARGON2ID}$argon2id$x" }),
    failsWith("invalid", /ARGON2ID/),
  );
});

test("A put takes a mailbox over, and the former owner's remove then does nothing (D4)", async () => {
  await ask("mailbox.put", { address, owner: "urn:old", password: initial("secret") });
  const taken = await ask("mailbox.put", { address, owner: "urn:new", password: initial("secret") });
  assert.deepEqual([taken.created, taken.adoptedFrom], [false, "urn:old"]);
  assert.equal((await ask("mailbox.remove", { address, owner: "urn:old" })).removed, false);
  const read = await ask("mailbox.read", { address, password: "secret" });
  assert.deepEqual([read.enabled, read.owner, read.passwordMatches], [true, "urn:new", true]);
});

test("A removed mailbox keeps its Maildir, refuses logins, and is there again when it is declared again (D4)", async () => {
  await ask("mailbox.put", { address, owner: "urn:a", password: initial("secret") });
  const maildir = join(directories.mail, "example.org/ann");
  await mkdir(join(maildir, "cur"), { recursive: true });
  await writeFile(join(maildir, "cur/1.M1.host,S=3:2,S"), "abc");
  const removed = await ask("mailbox.remove", { address, owner: "urn:a" });
  assert.deepEqual(removed, { removed: true, mailDirectory: maildir });
  assert.equal((await ask("mailbox.read", { address })).enabled, false);
  assert.ok(!(await readFile(stackFile(), "utf8")).includes("$6$"), "a tombstone holds no hash");
  assert.equal((await ask("mailbox.remove", { address, owner: "urn:a" })).removed, false);
  assert.equal(
    (await ask("mailbox.put", { address, owner: "urn:a", password: initial("new") })).created,
    true,
  );
  assert.equal((await ask("mailbox.read", { address, password: "new" })).passwordMatches, true);
  assert.ok(existsSync(join(maildir, "cur/1.M1.host,S=3:2,S")));
});

test("Only a mailbox that nobody declares is purged, and then nothing of it is left", async () => {
  await ask("mailbox.put", { address, owner: "urn:a", password: initial("secret") });
  const maildir = join(directories.mail, "example.org/ann");
  for (const folder of ["cur", "new", "tmp", ".Sent/cur"])
    await mkdir(join(maildir, folder), { recursive: true });
  await writeFile(join(maildir, "cur/one"), "abc");
  await writeFile(join(maildir, ".Sent/cur/two"), "defg");
  await writeFile(join(maildir, "tmp/three"), "not a message");
  await assert.rejects(ask("mailbox.purge", { address }), failsWith("conflict", /urn:a/));
  await ask("mailbox.remove", { address, owner: "urn:a" });
  assert.deepEqual(await ask("mailbox.purge", { address }), { purged: true, messages: 2, bytes: 7 });
  assert.deepEqual(await readdir(join(directories.mail, "example.org")), []);
  assert.equal((await ask("mailbox.read", { address })).exists, false);
  assert.equal((await ask("mailbox.purge", { address })).purged, false);
  await writeFile(join(directories.config, "postfix-accounts.cf"), `${address}|{PLAIN}x\n`);
  await assert.rejects(ask("mailbox.purge", { address }), failsWith("conflict", /postfix-accounts\.cf/));
});

test("A mailbox and an alias of the DMS files are taken over: their lines become comments, the password stays", async () => {
  await mkdir(directories.config, { recursive: true });
  const accounts = join(directories.config, "postfix-accounts.cf");
  const hash = await hashPassword("secret");
  await writeFile(accounts, `# people\nxann@example.org|${hash}\nann@example.org|${hash}\n`);
  await writeFile(join(directories.config, "dovecot-quotas.cf"), "ann@example.org:5M\n");
  await writeFile(join(directories.config, "postfix-virtual.cf"), "info@example.org ann@example.org\n");
  const put = await ask("mailbox.put", { address, owner: "urn:a", password: initial("another") });
  assert.deepEqual([put.created, put.adoptedFrom], [false, "setup:postfix-accounts.cf"]);
  await ask("alias.put", { address: "info@example.org", targets: [address], owner: "urn:i" });
  assert.equal((await ask("mailbox.read", { address, password: "secret" })).passwordMatches, true);
  assert.equal(
    await readFile(accounts, "utf8"),
    `# people\nxann@example.org|${hash}\n# taken over by urn:a: ann@example.org|${hash}\n`,
  );
  const configuration = await openConfiguration(directories, { log: silentLog, env: {}, watch: false });
  assert.deepEqual(configuration.current().problems, []);
  assert.equal(configuration.current().account("xann@example.org")?.origin.owner, "setup");
});

test("Domains and aliases: put, read, foreign remove, own remove", async () => {
  assert.deepEqual(await ask("domain.put", { domain: "Bücher.example", owner: "urn:d" }), {
    domain: "xn--bcher-kva.example",
    created: true,
  });
  assert.equal((await ask("domain.remove", { domain: "bücher.example", owner: "urn:x" })).removed, false);
  assert.equal((await ask("domain.read", { domain: "bücher.example" })).owner, "urn:d");
  assert.equal((await ask("domain.remove", { domain: "bücher.example", owner: "urn:d" })).removed, true);
  assert.equal((await ask("domain.read", { domain: "bücher.example" })).exists, false);
  await ask("alias.put", {
    address: "@example.org",
    targets: ["a@x.example", "B@y.example"],
    owner: "urn:c",
  });
  assert.deepEqual((await ask("alias.read", { address: "@EXAMPLE.org" })).targets, [
    "a@x.example",
    "B@y.example",
  ]);
  assert.equal((await ask("alias.remove", { address: "@example.org", owner: "urn:x" })).removed, false);
  assert.equal((await ask("alias.remove", { address: "@example.org", owner: "urn:c" })).removed, true);
});

test("An address is a mailbox or an alias, not both, and the other's owner is named", async () => {
  await ask("mailbox.put", { address, owner: "urn:a", password: initial("x") });
  await assert.rejects(
    ask("alias.put", { address, targets: ["b@example.org"], owner: "urn:i" }),
    failsWith("conflict", /ann@example\.org is a mailbox \(urn:a\)/),
  );
  await ask("alias.put", { address: "info@example.org", targets: [address], owner: "urn:i" });
  await assert.rejects(
    ask("mailbox.put", { address: "info@example.org", owner: "urn:b", password: initial("x") }),
    failsWith("conflict", /alias \(urn:i\)/),
  );
});

test("A DKIM key is made once and stays; only its public half is told; another algorithm needs another selector", async () => {
  const key = { domain: "example.org", selector: "s1", owner: "urn:k" } as const;
  const made = await ask("dkim.put", { ...key, algorithm: "ed25519", active: true });
  assert.equal(made.created, true);
  assert.equal(Buffer.from(made.publicKey, "base64").length, 32);
  assert.deepEqual(await ask("dkim.put", { ...key, algorithm: "ed25519", active: false }), {
    publicKey: made.publicKey,
    created: false,
  });
  const file = join(directories.state, "dkim/example.org/s1.pem");
  assert.equal((await stat(file)).mode & 0o777, 0o600);
  const read = await ask("dkim.read", { domain: "example.org", selector: "s1" });
  assert.deepEqual([read.algorithm, read.active, read.publicKey], ["ed25519", false, made.publicKey]);
  assert.equal(
    (await ask("dkim.remove", { domain: "example.org", selector: "s1", owner: "urn:k" })).removed,
    true,
  );
  assert.equal((await ask("dkim.read", { domain: "example.org", selector: "s1" })).exists, false);
  assert.ok(existsSync(file), "the key stays");
  await assert.rejects(
    ask("dkim.put", { ...key, algorithm: "rsa-2048", active: true }),
    failsWith("conflict", /is ed25519, not rsa-2048/),
  );
});

const soa =
  "@ 3600 IN SOA ns.example.org. hostmaster.example.org. (\n  SERIAL ; serial\n  3600 600 604800 300 )\n";
const zone = (serial: number, extra = "") =>
  `$ORIGIN example.org.\n${soa.replace("SERIAL", String(serial))}${extra}`;

test("A zone's serial grows when its text differs and only then, and never goes back (RFC 1912 §2.2)", async () => {
  const put = (text: string) => ask("zone.put", { origin: "example.org", text, owner: "urn:z" });
  const first = await put(zone(1));
  assert.ok(first.changed && first.serial >= 2_026_000_000);
  assert.deepEqual(await put(zone(1)), { serial: first.serial, changed: false });
  assert.deepEqual(await put(zone(99)), { serial: first.serial, changed: false });
  assert.equal((await put(zone(1, "www A 192.0.2.1\n"))).serial, first.serial + 1);
  assert.equal((await put(zone(4_000_000_000, "www A 192.0.2.2\n"))).serial, 4_000_000_000);
  assert.equal((await put(zone(1, "www A 192.0.2.3\n"))).serial, 4_000_000_001);
  const read = await ask("zone.read", { origin: "example.org" });
  assert.equal(read.text, zone(1, "www A 192.0.2.3\n"));
  const file = join(directories.config, "zones/example.org.zone");
  await writeFile(file, `${await readFile(file, "utf8")}mail A 192.0.2.9\n`);
  assert.equal(
    (await ask("zone.read", { origin: "example.org" })).text,
    zone(1, "www A 192.0.2.3\nmail A 192.0.2.9\n"),
  );
  await assert.rejects(put("www A 192.0.2.1\n"), failsWith("invalid", /no SOA/));
  assert.equal((await ask("zone.remove", { origin: "example.org", owner: "urn:z" })).removed, true);
  assert.equal(existsSync(file), false);
});

test("Settings are checked, written whole, and read back with their owner", async () => {
  const settings = { hostname: "mail.example.org" };
  assert.deepEqual(await ask("settings.put", { settings, owner: "urn:s" }), { restartNeeded: [] });
  const read = await ask("settings.read", {});
  assert.equal(read.owner, "urn:s");
  assert.equal(read.settings?.hostname, "mail.example.org");
  await assert.rejects(
    performUnchecked("settings.put", { settings: { hostname: "x", sizelimit: 1 }, owner: "urn:s" }, context),
    failsWith("invalid", /sizelimit/),
  );
  assert.equal((await ask("settings.remove", { owner: "urn:other" })).removed, false);
  assert.equal((await ask("settings.remove", { owner: "urn:s" })).removed, true);
});

test("Without a server, status answers from the files and what needs one says that none runs", async () => {
  const status = await ask("status", {});
  assert.deepEqual([status.running, status.version, status.accounts], [false, "1.2.3", 0]);
  assert.equal((await ask("status", {})).machineId, status.machineId);
  await assert.rejects(ask("stop", {}), failsWith("not-running", /no server runs/));
  await assert.rejects(ask("queue.list", {}), failsWith("not-running", /queue/));
});

test("A request that breaks the contract is refused before anything is written", async () => {
  const bad: readonly (readonly [string, unknown, RegExp])[] = [
    ["mailbox.put", { address: "ann", owner: "u" }, /has no @/],
    ["mailbox.put", { address: "../ann@example.org", owner: "u" }, /"\/"/],
    ["mailbox.put", { address: "ann@../x", owner: "u" }, /./],
    ["mailbox.put", { address, owner: "u", admin: true }, /admin/],
    ["domain.put", { domain: "_dmarc.example.org", owner: "u" }, /_dmarc/],
    [
      "dkim.put",
      { domain: "example.org", selector: "../x", algorithm: "ed25519", active: true, owner: "u" },
      /selector/,
    ],
    ["certificate.put", { names: ["a/b"], issuer: { type: "local-ca" }, owner: "u" }, /./],
    ["alias.put", { address: "i@example.org", targets: ["a@b.example\nroot x"], owner: "u" }, /./],
    ["__proto__", {}, /no operation/],
    ["mailbox.destroy", {}, /no operation "mailbox\.destroy"/],
    ["status", null, /./],
  ];
  for (const [name, request, text] of bad)
    await assert.rejects(performUnchecked(name, request, context), failsWith("invalid", text), name);
  assert.equal(existsSync(join(directories.config, "stack")), false);
});

test("No answer has a password, a hash or a private key in it", async () => {
  const answers = [
    await ask("mailbox.put", { address, owner: "u", password: initial("hunter2-hunter2") }),
    await ask("mailbox.read", { address, password: "hunter2-hunter2" }),
    await ask("dkim.put", {
      domain: "example.org",
      selector: "s",
      algorithm: "ed25519",
      active: true,
      owner: "u",
    }),
    await ask("certificate.put", { names: ["mail.example.org"], issuer: { type: "local-ca" }, owner: "u" }),
    await ask("certificate.read", { names: ["mail.example.org"] }),
    await ask("status", {}),
  ];
  assert.doesNotMatch(JSON.stringify(answers), /hunter2|\$6\$|PRIVATE KEY/);
});

test("Every operation of the contract answers within its schema", async () => {
  await ask("mailbox.put", { address, owner: "u", password: initial("x") });
  const requests: Partial<{ [N in OperationName]: OperationRequest<N> }> = {
    status: {},
    "settings.read": {},
    "domain.read": { domain: "example.org" },
    "mailbox.read": { address },
    "alias.read": { address: "x@example.org" },
    "dkim.read": { domain: "example.org", selector: "x" },
    "certificate.read": { names: ["x.example.org"] },
    "zone.read": { origin: "example.org" },
    reload: {},
  };
  for (const [name, request] of Object.entries(requests))
    operations[name as OperationName].answer.parse(await performUnchecked(name, request, context));
});

test("What a killed writer left is cleared away once it is old, and nothing else", async () => {
  await ask("mailbox.put", { address, owner: "u", password: initial("x") });
  const left = [
    join(directories.config, "stack/mailboxes/.unfinished-ann-1"),
    join(directories.config, ".unfinished-postfix-accounts.cf-1"),
  ];
  for (const path of left) await writeFile(path, "half");
  const purged = join(directories.mail, "example.org/.unfinished-purge-1");
  await mkdir(join(purged, "cur"), { recursive: true });
  const kept = join(directories.mail, "example.org/ann/.unfinished-folder");
  await mkdir(kept, { recursive: true });
  assert.equal(await sweepUnfinished(directories), 0);
  assert.equal(await sweepUnfinished(directories, Date.now() + 7_200_000), 3);
  for (const path of [...left, purged]) assert.equal(existsSync(path), false);
  assert.ok(existsSync(stackFile()) && existsSync(kept));
});

test("Two processes that write at once lose nothing", async () => {
  const main = fileURLToPath(new URL("../cli/main.ts", import.meta.url));
  const writer = async (name: string) => {
    const child = spawn(process.execPath, [main, "admin", "--root", root], {
      stdio: ["pipe", "pipe", "inherit"],
    });
    for (let index = 0; index < 10; index++)
      child.stdin.write(
        `${JSON.stringify({ operation: "alias.put", request: { address: `${name}${index}@example.org`, targets: [address], owner: name } })}\n`,
      );
    child.stdin.end();
    let output = "";
    child.stdout.on("data", (chunk: Buffer) => {
      output += chunk.toString();
    });
    const [code] = (await once(child, "close")) as [number];
    assert.equal(code, 0, output);
    assert.equal(output.trim().split("\n").length, 10);
  };
  // Both also take over lines of one DMS file, where a lost update would show.
  await mkdir(directories.config, { recursive: true });
  const lines = ["a", "b"].flatMap((name) =>
    Array.from({ length: 10 }, (_, index) => `${name}${index}@example.org x@y.example`),
  );
  await writeFile(join(directories.config, "postfix-virtual.cf"), `${lines.join("\n")}\n`);
  await Promise.all([writer("a"), writer("b")]);
  assert.equal((await readdir(join(directories.config, "stack/aliases"))).length, 20);
  const left = (await readFile(join(directories.config, "postfix-virtual.cf"), "utf8")).trim().split("\n");
  assert.equal(left.filter((line) => line.startsWith("# taken over by")).length, 20);
});
