import assert from "node:assert/strict";
import { generateKeyPairSync } from "node:crypto";
import { mkdir, mkdtemp, rename, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { afterEach, beforeEach, test } from "node:test";
import { silentLog } from "../net/log.ts";
import { type Directories, directoriesBelow } from "../settings/directories.ts";
import { openConfiguration, UnusableSettings } from "./configuration.ts";
import type { Configuration, Snapshot } from "./snapshot.ts";

const hash = "{SHA512-CRYPT}$6$abc$def";
let root: string;
let directories: Directories;
const open: Configuration[] = [];

beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), "configuration-"));
  directories = directoriesBelow(root);
  await mkdir(directories.config, { recursive: true });
});
afterEach(async () => {
  for (const configuration of open.splice(0)) await configuration.close();
  await rm(root, { recursive: true, force: true });
});

async function put(file: string, content: string | object): Promise<void> {
  const path = join(directories.config, file);
  await mkdir(dirname(path), { recursive: true });
  await writeFile(path, typeof content === "string" ? content : JSON.stringify(content));
}

async function opened(options: { watch?: boolean; pollMs?: number; env?: Record<string, string> } = {}) {
  const configuration = await openConfiguration(directories, {
    log: silentLog,
    env: { OVERRIDE_HOSTNAME: "mail.example.org", ...options.env },
    watch: options.watch ?? false,
    pollMs: options.pollMs,
  });
  open.push(configuration);
  return configuration;
}

const mailbox = (address: string, more: object = {}) => ({
  address,
  owner: `urn:${address}`,
  enabled: true,
  passwordHash: hash,
  quotaBytes: 0,
  ...more,
});

test("Look-ups take any case and both forms of an IDN, and know only what is declared", async () => {
  await put("postfix-accounts.cf", `ann@bücher.example|${hash}\n`);
  await put("postfix-virtual.cf", "info@alias.example ann@bücher.example\n@all.example ann@bücher.example\n");
  await put("stack/domains/empty.example.json", { domain: "empty.example", owner: "urn:d" });
  const snapshot = (await opened()).current();
  assert.equal(snapshot.account("ANN@BÜCHER.example")?.address, "ann@xn--bcher-kva.example");
  assert.equal(snapshot.account("ann@xn--bcher-kva.example")?.passwordHash, hash);
  assert.equal(snapshot.account("info@alias.example"), undefined);
  assert.equal(snapshot.alias("Info@Alias.example")?.targets[0], "ann@bücher.example");
  assert.equal(snapshot.alias("@ALL.example")?.address, "@all.example");
  for (const name of ["bücher.example", "ALIAS.example", "all.example", "empty.example"])
    assert.ok(snapshot.domain(name), name);
  for (const name of ["other.example", "", "..", "example", "\0"])
    assert.equal(snapshot.domain(name), undefined);
  for (const address of ["", "@", "ann", "a@b@c@", "x".repeat(5000)])
    assert.equal(snapshot.account(address), undefined);
  assert.deepEqual(snapshot.problems, []);
});

test("An address in both is the stack's, and the line in the DMS file is named as a problem", async () => {
  await put("postfix-accounts.cf", `# mine\nann@example.org|{PLAIN}setup\n`);
  await put("dovecot-quotas.cf", "ann@example.org:1G\n");
  await put("postfix-virtual.cf", "info@example.org bob@example.org\n");
  await put("stack/mailboxes/ann@example.org.json", mailbox("ann@example.org"));
  await put("stack/aliases/info@example.org.json", {
    address: "info@example.org",
    targets: ["ann@example.org"],
    owner: "urn:i",
  });
  const snapshot = (await opened()).current();
  assert.equal(snapshot.account("ann@example.org")?.origin.owner, "stack");
  assert.equal(snapshot.account("ann@example.org")?.passwordHash, hash);
  assert.deepEqual(snapshot.alias("info@example.org")?.targets, ["ann@example.org"]);
  assert.deepEqual(
    snapshot.problems.map(({ file, line }) => `${file}:${line}`),
    ["postfix-accounts.cf:2", "dovecot-quotas.cf:1", "postfix-virtual.cf:1"],
  );
  assert.match(snapshot.problems[0]!.reason, /urn:ann@example\.org/);
});

test("A tombstone refuses its address, hosts no domain, and gives way to a DMS line", async () => {
  await put(
    "stack/mailboxes/gone@old.example.json",
    mailbox("gone@old.example", { enabled: false, passwordHash: undefined }),
  );
  await put("stack/mailboxes/back@old.example.json", mailbox("back@old.example", { enabled: false }));
  const configuration = await opened();
  assert.equal(configuration.current().account("gone@old.example")?.enabled, false);
  assert.equal(configuration.current().domain("old.example"), undefined);
  await put("postfix-accounts.cf", `back@old.example|${hash}\n`);
  const snapshot = await configuration.reload();
  assert.equal(snapshot.account("back@old.example")?.enabled, true);
  assert.equal(snapshot.account("back@old.example")?.origin.owner, "setup");
  assert.ok(snapshot.domain("old.example"));
  assert.deepEqual(snapshot.problems, []);
});

test("Quotas: an own one, 0 for none in a DMS file, else the default", async () => {
  await put("postfix-accounts.cf", ["a", "b", "c"].map((name) => `${name}@example.org|${hash}`).join("\n"));
  await put("dovecot-quotas.cf", "a@example.org:1M\nb@example.org:0\n");
  await put("stack/mailboxes/d@example.org.json", mailbox("d@example.org", { quotaBytes: 5 }));
  await put("stack/mailboxes/e@example.org.json", mailbox("e@example.org"));
  const snapshot = (await opened({ env: { POSTFIX_MAILBOX_SIZE_LIMIT: "7000" } })).current();
  const quota = (name: string) => snapshot.account(`${name}@example.org`)?.quotaBytes;
  assert.deepEqual(["a", "b", "c", "d", "e"].map(quota), [1_048_576, 0, 7000, 5, 7000]);
});

test("A file that breaks keeps its last good content and names file, line and reason, until it is good again", async () => {
  await put("postfix-accounts.cf", `ann@example.org|${hash}\nbob@example.org|${hash}\n`);
  await put("stack/mailboxes/carl@example.org.json", mailbox("carl@example.org"));
  const configuration = await opened();
  await put("postfix-accounts.cf", `ann@example.org|${hash}\nbob@exam\n`);
  await put("stack/mailboxes/carl@example.org.json", '{"address":"carl@exam');
  const broken = await configuration.reload();
  assert.deepEqual([...broken.accounts()].map(({ address }) => address).sort(), [
    "ann@example.org",
    "bob@example.org",
    "carl@example.org",
  ]);
  assert.deepEqual(
    broken.problems.map(({ file, line }) => `${file}:${line}`),
    ["postfix-accounts.cf:2", "stack/mailboxes/carl@example.org.json:0"],
  );
  await put("postfix-accounts.cf", `ann@example.org|${hash}\n`);
  await rm(join(directories.config, "stack/mailboxes/carl@example.org.json"));
  const good = await configuration.reload();
  assert.deepEqual(
    [...good.accounts()].map(({ address }) => address),
    ["ann@example.org"],
  );
  assert.deepEqual(good.problems, []);
});

test("A first version with a mistake counts by its good lines, also where there was no file before", async () => {
  const configuration = await opened();
  await put("postfix-accounts.cf", `nonsense\nann@example.org|${hash}\n`);
  const first = await configuration.reload();
  assert.ok(first.account("ann@example.org"));
  assert.deepEqual(
    first.problems.map(({ line }) => line),
    [1],
  );
  await put("postfix-accounts.cf", `nonsense\nann@example.org|${hash}\nbob@example.org|${hash}\n`);
  assert.ok((await configuration.reload()).account("bob@example.org"));
});

test("Broken settings keep the last good ones while running, and stop a start with file and key named", async () => {
  await put("stack/settings.json", { owner: "urn:s", settings: { hostname: "a.example.org" } });
  const configuration = await opened();
  await put("stack/settings.json", { owner: "urn:s", settings: { hostname: "b.example.org", messag: {} } });
  const snapshot = await configuration.reload();
  assert.equal(snapshot.settings.hostname, "a.example.org");
  assert.match(snapshot.problems[0]!.reason, /"messag"; did you mean "message"/);
  await assert.rejects(opened(), (error: Error) => {
    assert.ok(error instanceof UnusableSettings);
    assert.match(error.message, /stack\/settings\.json: there is no setting "messag"/);
    return true;
  });
});

test("A config directory that vanishes takes nothing with it", async () => {
  await put("postfix-accounts.cf", `ann@example.org|${hash}\n`);
  const configuration = await opened();
  await rename(directories.config, `${directories.config}.away`);
  const without = await configuration.reload();
  assert.ok(without.account("ann@example.org"));
  assert.match(without.problems[0]!.reason, /is not there/);
  await rename(`${directories.config}.away`, directories.config);
  assert.deepEqual((await configuration.reload()).problems, []);
});

test("A snapshot in hand does not change, and an unchanged reload makes no new one", async () => {
  await put("postfix-accounts.cf", `ann@example.org|${hash}\n`);
  const configuration = await opened();
  const before = configuration.current();
  const seen: number[] = [];
  const stop = configuration.onChange(({ generation }) => seen.push(generation));
  assert.equal(await configuration.reload(), before);
  await put("postfix-accounts.cf", `bob@example.org|${hash}\n`);
  const after = await configuration.reload();
  stop();
  assert.deepEqual(seen, [after.generation]);
  assert.equal(after.generation, before.generation + 1);
  assert.ok(before.account("ann@example.org") && !after.account("ann@example.org"));
  assert.throws(() => Object.assign(after, { settings: undefined }), TypeError);
});

test("Many reloads at once share their work, and each sees what was written before it was asked for", async () => {
  const configuration = await opened();
  let changes = 0;
  configuration.onChange(() => changes++);
  const results: Promise<Snapshot>[] = [];
  for (let count = 1; count <= 30; count++) {
    await put("postfix-accounts.cf", `user${count}@example.org|${hash}\n`);
    results.push(
      configuration.reload().then((snapshot) => {
        const [first] = [...snapshot.accounts()];
        assert.ok(Number(/\d+/.exec(first!.address)![0]) >= count);
        return snapshot;
      }),
    );
  }
  await Promise.all(results);
  assert.ok(changes <= 31);
});

for (const [how, pollMs] of [
  ["events of the kernel", 60_000],
  ["a look at intervals", 100],
] as const)
  test(`A changed file takes effect by ${how}`, async () => {
    await put("postfix-accounts.cf", `ann@example.org|${hash}\n`);
    await mkdir(join(directories.config, "stack/mailboxes"), { recursive: true });
    const configuration = await opened({ watch: true, pollMs });
    await changed(configuration, () => put("postfix-accounts.cf", `bob@example.org|${hash}\n`));
    assert.ok(configuration.current().account("bob@example.org"));
    await changed(configuration, () =>
      put("stack/mailboxes/carl@example.org.json", mailbox("carl@example.org")),
    );
    assert.ok(configuration.current().account("carl@example.org"));
  });

async function changed(configuration: Configuration, work: () => Promise<void>): Promise<void> {
  const swapped = new Promise<void>((resolve, reject) => {
    const timer = setTimeout(() => reject(new Error("no change was seen within 5 s")), 5000);
    const stop = configuration.onChange(() => {
      clearTimeout(timer);
      stop();
      resolve();
    });
  });
  await work();
  await swapped;
}

test("Keys that sign come first; those of the stack before OpenDKIM's and rspamd's; a key is read when used", async () => {
  const pem = generateKeyPairSync("ed25519").privateKey.export({ type: "pkcs8", format: "pem" }).toString();
  await put("postfix-accounts.cf", `ann@example.org|${hash}\n`);
  const declared = (selector: string, active: boolean) => ({
    domain: "example.org",
    selector,
    algorithm: "ed25519",
    active,
    owner: "urn:k",
  });
  await put("stack/dkim/next._domainkey.example.org.json", declared("next", false));
  await put("stack/dkim/now._domainkey.example.org.json", declared("now", true));
  await put(
    "opendkim/KeyTable",
    "mail._domainkey.example.org example.org:mail:/etc/opendkim/keys/example.org/mail.private\n",
  );
  await put("opendkim/SigningTable", "*@example.org mail._domainkey.example.org\n*@example.org nobody\n");
  await put("opendkim/keys/example.org/mail.private", pem);
  await put("rspamd/dkim/ed25519-rs-example.org.private.txt", pem);
  const snapshot = (await opened()).current();
  const keys = snapshot.dkimKeys("EXAMPLE.org");
  assert.deepEqual(
    keys.map(({ selector, active }) => [selector, active]),
    [
      ["now", true],
      ["mail", true],
      ["rs", true],
      ["next", false],
    ],
  );
  await assert.rejects(keys[0]!.privateKey(), /ENOENT/);
  assert.match(await keys[1]!.privateKey(), /^-----BEGIN PRIVATE KEY-----/);
  assert.deepEqual(
    snapshot.problems.map(({ file, line }) => `${file}:${line}`),
    ["opendkim/SigningTable:2"],
  );
  assert.ok(!JSON.stringify(keys).includes("PRIVATE KEY"));
});

test("A file of nothing but mistakes is told in few lines, and the rest is counted", async () => {
  await put("postfix-accounts.cf", "nonsense\n".repeat(20_000));
  const { problems } = (await opened()).current();
  assert.equal(problems.length, 51);
  assert.match(problems.at(-1)!.reason, /and 19949 more problems/);
});

test("A hundred thousand accounts are read in seconds and found as fast as ten", async (t) => {
  const lines = Array.from({ length: 100_000 }, (_, index) => `user${index}@d${index % 500}.example|${hash}`);
  await put("postfix-accounts.cf", `${lines.join("\n")}\n`);
  // CPU time: other tests run at the same time.
  const begun = process.cpuUsage();
  const configuration = await opened();
  const read = cpuMs(begun);
  const snapshot = configuration.current();
  assert.equal(snapshot.accountCount, 100_000);
  const lookUps = process.cpuUsage();
  for (let index = 0; index < 100_000; index++)
    assert.ok(snapshot.account(`user${index}@d${index % 500}.example`));
  const found = cpuMs(lookUps);
  t.diagnostic(`CPU time: read in ${read} ms, 100,000 look-ups in ${found} ms`);
  assert.ok(read < 5000, `${read} ms`);
  assert.ok(found < 1000, `${found} ms`);
});

function cpuMs(since: NodeJS.CpuUsage): number {
  const { user, system } = process.cpuUsage(since);
  return Math.round((user + system) / 1000);
}

test("postfix-main.cf lies over the environment and under the stack, and its tables are looked at again", async () => {
  await put("postfix-accounts.cf", `ann@example.org|${hash}\n`);
  await put("extra.cf", "info@example.org ann@example.org\n");
  await put(
    "postfix-main.cf",
    "message_size_limit = 2000000\nvirtual_alias_maps = texthash:/tmp/docker-mailserver/extra.cf\nmynetworks = 10.0.0.0/8\n",
  );
  const configuration = await opened({ env: { POSTFIX_MESSAGE_SIZE_LIMIT: "1000000" } });
  const first = configuration.current();
  assert.equal(first.settings.message.sizeLimit, 2_000_000);
  assert.equal(first.alias("info@example.org")?.origin.file, "extra.cf");
  assert.deepEqual(
    first.problems.map(({ file, line }) => `${file}:${line}`),
    ["postfix-main.cf:3"],
  );
  await put("extra.cf", "sales@example.org ann@example.org\n");
  const second = await configuration.reload();
  assert.ok(second.alias("sales@example.org"));
  assert.equal(second.alias("info@example.org"), undefined);
  await put("stack/settings.json", {
    owner: "urn:s",
    settings: { hostname: "mail.example.org", message: { sizeLimit: 3_000_000 } },
  });
  assert.equal((await configuration.reload()).settings.message.sizeLimit, 3_000_000);
});

test("An alias that its own account keeps from working is named; one that names the account is meant", async () => {
  await put("postfix-accounts.cf", `ann@example.org|${hash}\nbob@example.org|${hash}\n`);
  await put(
    "postfix-virtual.cf",
    "ann@example.org bob@example.org\nbob@example.org Bob@example.org,x@away.test\n",
  );
  const { problems } = (await opened()).current();
  assert.equal(problems.length, 1);
  assert.equal(`${problems[0]?.file}:${problems[0]?.line}`, "postfix-virtual.cf:1");
  assert.match(problems[0]?.reason ?? "", /is an account, too \(postfix-accounts\.cf:1\)/);
});

test("100,000 accounts are read without keeping the event loop for more than 50 ms", async (t) => {
  const lines = Array.from(
    { length: 100_000 },
    (_, index) => `user${index}@d${index % 500}.example|{SHA512-CRYPT}$6$${"s".repeat(16)}$${"h".repeat(86)}`,
  );
  await put("postfix-accounts.cf", `${lines.join("\n")}\n`);
  await put(
    "postfix-virtual.cf",
    lines
      .map((_, index) => `a${index}@d${index % 500}.example user${index}@d${index % 500}.example\n`)
      .join(""),
  );
  const configuration = await opened();
  // Processor time and not the clock's: what other processes of a busy machine take is not this one's work.
  const used = () => {
    const { user, system } = process.threadCpuUsage();
    return (user + system) / 1000;
  };
  const pieces: number[] = [];
  for (const left of [1, 2, 3]) {
    await put("postfix-accounts.cf", `${lines.slice(left).join("\n")}\n`);
    let longest = 0;
    let last = used();
    let turn = setImmediate(function look() {
      longest = Math.max(longest, used() - last);
      last = used();
      turn = setImmediate(look);
    });
    const began = performance.now();
    const { accountCount } = await configuration.reload();
    clearImmediate(turn);
    assert.equal(accountCount, 100_000 - left);
    pieces.push(longest);
    const seconds = (performance.now() - began) / 1000;
    t.diagnostic(`read in ${seconds.toFixed(2)} s, longest piece of work ${longest.toFixed(0)} ms`);
  }
  // A full collection of garbage may fall into one of them.
  assert.ok(Math.min(...pieces) < 50, `${pieces} ms in one piece`);
});
