import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, test } from "node:test";
import { nothingQueued } from "../../admin/nothing-queued.ts";
import { perform } from "../../admin/operations.ts";
import { startAdminServer } from "../../admin/server.ts";
import { verifyPassword } from "../../auth/password/password.ts";
import { openConfiguration } from "../../config/configuration.ts";
import { readStackObject } from "../../config/stack/files.ts";
import { silentLog } from "../../net/log.ts";
import { type Directories, directoriesBelow } from "../../settings/directories.ts";
import { iecSize } from "./email-list.ts";
import { setupCommands } from "./setup.ts";
import { setupIn } from "./setup-harness.ts";

let root: string;
let directories: Directories;

beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), "setup-"));
  directories = directoriesBelow(root);
  await mkdir(directories.config, { recursive: true });
});
afterEach(() => rm(root, { recursive: true, force: true }));

const { setup, works, fails, file, put } = setupIn(() => directories);

test("A command that does not exist ends with 2 and says so; help and no argument print every command with 0", async () => {
  for (const line of ["email", "email lisst", "nonsense", "email  add2 x"]) {
    const { code, err } = await setup(line);
    assert.equal(code, 2, line);
    assert.match(err, /^The command '.*' is invalid\.\nUse `setup help`/, line);
  }
  for (const line of ["", "help"]) {
    const out = await works(line);
    for (const { name } of setupCommands) assert.ok(out.includes(`setup ${name}`), name);
  }
  assert.match(await works("email add help"), /^Usage: setup email add/);
});

test("email add: a hashed line at the end, comments stay, capitals are lowered with a warning", async () => {
  await put("postfix-accounts.cf", "# people\n\nbob@example.org|{PLAIN}x");
  const { code, err } = await setup("email add Ann@Example.org secret");
  assert.equal(code, 0);
  assert.match(err, /'Ann@Example\.org' has uppercase letters and will be normalized to 'ann@example\.org'/);
  const text = await file("postfix-accounts.cf");
  assert.match(
    text,
    /^# people\n\nbob@example\.org\|\{PLAIN\}x\nann@example\.org\|\{SHA512-CRYPT\}\$6\$[^|\n]+\n$/,
  );
  assert.equal(await verifyPassword("secret", text.trim().split("|").at(-1)!), true);
});

test("email add: refused for an existing account or alias, without a domain, or without a password", async () => {
  await put("postfix-virtual.cf", "info@example.org ann@example.org\n");
  await works("email add ann@example.org secret");
  await fails("email add ann@example.org secret", /'ann@example\.org' already exists/);
  await fails("email add info@example.org secret", /'info@example\.org' is already defined as an alias/);
  await fails("email add ann secret", /'ann' should include the domain \(eg: user@example\.com\)/);
  await fails("email add", /No account specified/);
  await fails("email add new@example.org", /Password must not be empty/);
  await fails("email add new@example.org", /not the same/, { stdin: "one\ntwo\n" });
  await works("email add new@example.org", { stdin: "one\none\n" });
});

test("No prefix of an address is taken for it, and no dot for any letter", async () => {
  await works("email add user3@example.org x");
  await works("email add auser3@example.org x");
  await works("email add user3@example.org.uk x");
  await works("email add a.b@example.org x");
  await works("email add axb@example.org x");
  await works("alias add info user3@example.org");
  await works("email add info@example.org x");
  await works("alias add ali@example.org auser3@example.org");
  await works("alias add ali@example.org user3@example.org");
  await works("email del -n user3@example.org");
  const text = await file("postfix-accounts.cf");
  assert.deepEqual(
    text
      .trim()
      .split("\n")
      .map((line) => line.split("|")[0]),
    ["auser3@example.org", "user3@example.org.uk", "a.b@example.org", "axb@example.org", "info@example.org"],
  );
  assert.equal(await file("postfix-virtual.cf"), "ali@example.org auser3@example.org\n");
});

test("email update: changes that line's hash and keeps its extra fields", async () => {
  await put(
    "postfix-accounts.cf",
    "# a\nann@example.org|{PLAIN}x|userdb_mail=maildir:/y\nbob@example.org|{PLAIN}z\n",
  );
  await works("email update ann@example.org fresh");
  const text = await file("postfix-accounts.cf");
  assert.match(
    text,
    /^# a\nann@example\.org\|\{SHA512-CRYPT\}[^|]+\|userdb_mail=maildir:\/y\nbob@example\.org\|\{PLAIN\}z\n$/,
  );
  await fails("email update nobody@example.org x", /'nobody@example\.org' does not exist/);
});

test("email del: -n keeps the mail, -y deletes it, and no answer keeps it", async () => {
  for (const name of ["a", "b", "c"]) {
    await works(`email add ${name}@example.org x`);
    await works(`quota set ${name}@example.org 5M`);
    await mkdir(join(directories.mail, `example.org/${name}/cur`), { recursive: true });
    await writeFile(join(directories.mail, `example.org/${name}/cur/1`), "mail");
  }
  await works("alias add all@example.org a@example.org");
  await works("email del -n a@example.org");
  await works("email del b@example.org");
  await works("email del -y c@example.org");
  const has = (name: string) =>
    readFile(join(directories.mail, `example.org/${name}/cur/1`), "utf8").then(
      () => true,
      () => false,
    );
  assert.deepEqual([await has("a"), await has("b"), await has("c")], [true, true, false]);
  for (const name of ["postfix-accounts.cf", "dovecot-quotas.cf", "postfix-virtual.cf"])
    assert.equal(await file(name), "");
  await fails("email del -x a@example.org", /The option '-x' is unknown/);
  await fails("email del", /No user specified/);
  await fails("email del -n a@example.org", /'a@example\.org' does not exist/);
});

test("email list: use, quota, percentage and aliases, as DMS prints them", async () => {
  await put("postfix-accounts.cf", "ann@example.org|{PLAIN}x\nbob@example.org|{PLAIN}x\n");
  await put(
    "postfix-virtual.cf",
    "info@example.org ann@example.org\nx@example.org ann@example.org,bob@example.org\n",
  );
  await put("dovecot-quotas.cf", "ann@example.org:10k\n");
  await mkdir(join(directories.mail, "example.org/ann/.Sent/cur"), { recursive: true });
  await writeFile(join(directories.mail, "example.org/ann/.Sent/cur/1.x,S=5120,W=5200:2,S"), "");
  assert.equal(
    await works("email list"),
    "* ann@example.org ( 5.0K / 10K ) [50%]\n    [ aliases -> info@example.org, x@example.org ]\n\n* bob@example.org ( 0 / ~ ) [0%]\n    [ aliases -> x@example.org ]\n\n",
  );
  assert.match(
    await works("email list", { env: { ENABLE_QUOTAS: "0" } }),
    /^\* ann@example\.org\n {4}\[ aliases/,
  );
  assert.deepEqual([0, 1023, 1024, 10_240, 1_100_000].map(iecSize), ["0", "1023", "1.0K", "10K", "1.1M"]);
});

test("email restrict: add, list, del, and what is said when nobody is restricted", async () => {
  assert.match(await works("email restrict list send"), /Everyone is allowed to send mails/);
  await works("email restrict add send ann@example.org");
  assert.equal(await file("postfix-send-access.cf"), "ann@example.org \t\t REJECT\n");
  await fails("email restrict add send ann@example.org", /already denied to send mails/);
  await fails("email restrict add sideways ann@example.org", /specify 'send' or 'receive'/);
  await fails("email restrict del receive ann@example.org", /not found/);
  await works("email restrict del send ann@example.org");
  assert.equal(await file("postfix-send-access.cf"), "");
});

test("alias: recipients are appended with commas, taken away one by one, and _ means all aliases", async () => {
  await put(
    "postfix-virtual.cf",
    "# mine\ninfo@example.org   ann@example.org\n@example.org ann@example.org, bob@example.org\n",
  );
  await works("alias add info@example.org bob@example.org");
  await fails("alias add info@example.org BOB@example.org", /already leads to/);
  assert.match(await works("alias list"), /\* info@example\.org ann@example\.org,bob@example\.org/);
  await works("alias del _ ann@example.org");
  assert.equal(
    await file("postfix-virtual.cf"),
    "# mine\ninfo@example.org   bob@example.org\n@example.org bob@example.org\n",
  );
  await works("alias del info@example.org bob@example.org");
  assert.equal(await file("postfix-virtual.cf"), "# mine\n@example.org bob@example.org\n");
  await works("email add ann@example.org x");
  await fails(
    "alias add ann@example.org x@example.org",
    /'ann@example\.org' is already defined to be an account/,
  );
  await fails("alias add info@example.org", /No recipient specified/);
});

test("quota: only for existing accounts and DMS's units; removal may be repeated", async () => {
  await works("email add ann@example.org x");
  await fails("quota set nobody@example.org 5M", /does not exist/);
  for (const quota of ["5", "5MB", "five"])
    await fails(`quota set ann@example.org ${quota}`, /Invalid quota format/);
  await works("quota set ann@example.org 5M");
  await works("quota set ann@example.org 0");
  assert.equal(await file("dovecot-quotas.cf"), "ann@example.org:0\n");
  await works("quota del ann@example.org");
  await works("quota del ann@example.org");
  assert.equal(await file("dovecot-quotas.cf"), "");
});

test("dovecot-master: names are not addresses", async () => {
  await works("dovecot-master add admin x");
  await fails("dovecot-master add admin x", /already exists/);
  await fails("dovecot-master add a@b x", /cannot be a master user's name/);
  await works("dovecot-master update admin y");
  assert.equal(await works("dovecot-master list"), "* admin\n");
  await fails("dovecot-master del nobody", /does not exist/);
  await works("dovecot-master del admin");
  assert.equal(await file("dovecot-masters.cf"), "");
});

test("relay: port 25 by default, a second call replaces the first, exclude leaves the domain alone", async () => {
  await works("relay add-domain example.org smtp.example.net");
  assert.equal(await file("postfix-relaymap.cf"), "@example.org\t\t[smtp.example.net]:25\n");
  await works("relay add-domain example.org.uk smtp.example.net 2525");
  await works("relay add-domain example.org other.example.net 587");
  await works("relay exclude-domain example.com");
  assert.equal(
    await file("postfix-relaymap.cf"),
    "@example.org\t\t[other.example.net]:587\n@example.org.uk\t\t[smtp.example.net]:2525\n@example.com\n",
  );
  await works("relay add-auth example.org user p&ss/w:rd");
  assert.equal(await file("postfix-sasl-password.cf"), "@example.org\t\tuser:p&ss/w:rd\n");
  await fails("relay add-domain example.org", /No relay host specified/);
  await fails("relay add-domain example.org host 99999", /not a host and a port/);
});

test("What the stack declares is not changed here, except for passwords; the sentence names the owner (D5)", async () => {
  const context = { directories, version: "1" };
  const address = "ann@example.org";
  await perform(
    "mailbox.put",
    { address, owner: "urn:stack:ann", password: { text: "x", policy: "initial" } },
    context,
  );
  await perform(
    "alias.put",
    { address: "info@example.org", targets: [address], owner: "urn:stack:info" },
    context,
  );
  await perform("domain.put", { domain: "example.org", owner: "urn:stack:domain" }, context);
  await fails("email add ann@example.org y", /declared by the stack \(urn:stack:ann\)/);
  await fails("email del -y ann@example.org", /declared by the stack \(urn:stack:ann\).*mailkeep up/);
  await fails("quota set ann@example.org 5M", /urn:stack:ann/);
  await fails("alias add info@example.org bob@example.org", /urn:stack:info/);
  await fails("alias del info@example.org ann@example.org", /urn:stack:info/);
  await fails("config dkim domain example.org", /urn:stack:domain/);
  await works("email update ann@example.org changed");
  const object = await readStackObject(directories.config, "mailboxes", address);
  assert.equal(await verifyPassword("changed", object!.passwordHash!), true);
  assert.equal(object!.owner, "urn:stack:ann");
});

test("A mailbox that the stack removed may be added here, and its tombstone goes", async () => {
  const context = { directories, version: "1" };
  const address = "ann@example.org";
  await perform(
    "mailbox.put",
    { address, owner: "urn:a", password: { text: "x", policy: "initial" } },
    context,
  );
  await perform("mailbox.remove", { address, owner: "urn:a" }, context);
  await works("email add ann@example.org y");
  assert.equal(await readStackObject(directories.config, "mailboxes", address), undefined);
});

test("With a server running, a change is in force there when the command ends, and the server deletes the mail", async () => {
  const configuration = await openConfiguration(directories, { log: silentLog, env: {}, watch: false });
  const server = await startAdminServer({
    directories,
    version: "1",
    log: silentLog,
    live: {
      configuration,
      startedAt: new Date(),
      listeners: () => [],
      ...nothingQueued,
      stop() {},
    },
  });
  try {
    await works("email add ann@example.org secret");
    assert.ok(configuration.current().account("ann@example.org"));
    await put("postfix-virtual.cf", "alone@example.org\n");
    assert.match((await setup("quota set ann@example.org 5M")).err, /postfix-virtual\.cf:1: .*no target/);
    await mkdir(join(directories.mail, "example.org/ann/new"), { recursive: true });
    await writeFile(join(directories.mail, "example.org/ann/new/1"), "mail");
    assert.match(await works("email del -y ann@example.org"), /Mailbox deleted \(1 messages\)/);
    assert.equal(configuration.current().account("ann@example.org"), undefined);
    assert.deepEqual(await readdir(join(directories.mail, "example.org")), []);
  } finally {
    await server.close();
    await configuration.close();
  }
});

test("The process ends with the command's code: 0, 1 and 2", () => {
  const main = new URL("../main.ts", import.meta.url).pathname;
  const run = (...args: string[]) => {
    try {
      execFileSync(process.execPath, [main, "--root", root, ...args], { stdio: "pipe" });
      return 0;
    } catch (error) {
      return (error as { status: number }).status;
    }
  };
  assert.deepEqual(
    [
      run("setup", "email", "list"),
      run("setup", "email", "add", "x"),
      run("setup", "nonsense"),
      run("nonsense"),
      run("--root"),
    ],
    [0, 1, 2, 2, 2],
  );
});
