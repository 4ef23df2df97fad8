/** The provider with the real host: the runtime's own operations on real files, no server running. */
import assert from "node:assert/strict";
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import type { ResourceProvider } from "../engine/provider.ts";
import { secret } from "../engine/wire.ts";
import { createProvider } from "./provider.ts";
import { Miniature, type State, urnOf } from "./testing/stack-in-miniature.ts";

const directory = join(mkdtempSync(join(tmpdir(), "provider-")), "data");
const anna = { address: "anna@green.test", password: secret("a first word") };
let provider: ResourceProvider;
let engine: Miniature;

before(async () => {
  provider = createProvider();
  await provider.configure({ urn: "", inputs: { type: "local", directory } });
  engine = new Miniature(provider);
  await engine.create("MailDirectories", "d", {});
  await engine.create("Domain", "green", { domain: "green.test" });
});
after(async () => {
  await provider.cancel();
  rmSync(join(directory, ".."), { recursive: true, force: true });
});

function filesBelow(path: string): string[] {
  return readdirSync(path, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name));
}

async function enabled(address: string): Promise<boolean> {
  const urn = urnOf("mailkeep:index:Mailbox", "look");
  const found = await engine.refresh({
    urn,
    type: "mailkeep:index:Mailbox",
    id: address,
    inputs: {},
    outputs: {},
  });
  return found !== undefined;
}

test("the directories are for their owner alone", () => {
  for (const name of ["config", "mail", "state", "log", "run"])
    assert.equal(statSync(join(directory, name)).mode & 0o077, 0, name);
});

test("a second provider of the same directories sees the same machine", async () => {
  const first = await engine.create("MailDirectories", "d", {});
  assert.match(String(first.outputs.machineId), /^[0-9a-f-]{36}$/);
  assert.deepEqual(await engine.refresh(first), first);
});

test("each type is made, is unchanged in a refresh and in a diff, and is made again without harm", async () => {
  const declared: [string, Record<string, unknown>][] = [
    ["Settings", { settings: { hostname: "mail.green.test", logLevel: "warn" } }],
    ["DkimKey", { domain: "green.test", selector: "mk1", algorithm: "ed25519" }],
    ["Certificate", { names: ["mail.green.test", "localhost"] }],
    [
      "Zone",
      {
        origin: "green.test",
        recordSets: {
          "green.test SOA": ["3600 mail.green.test. hostmaster.green.test. 1 7200 900 1209600 300"],
          "green.test NS": ["3600 mail.green.test."],
          "mail.green.test A": ["3600 127.0.0.1"],
        },
      },
    ],
    ["Domain", { domain: "green.test" }],
    ["Mailbox", { ...anna, quotaBytes: 1024, displayName: "Anna" }],
    ["Alias", { address: "info@green.test", targets: ["anna@green.test"] }],
    ["Alias", { address: "@blue.test", targets: ["@green.test"] }],
    ["Relay", { name: "near", senderDomains: ["green.test"] }],
    [
      "Relay",
      {
        name: "far",
        host: "relay.test",
        username: "me",
        password: secret("a relay's word"),
        senders: ["anna@green.test"],
      },
    ],
  ];
  for (const [kind, inputs] of declared) {
    const state = await engine.create(kind, kind === "Domain" ? "green" : "x", inputs);
    assert.deepEqual(await engine.refresh(state), state, kind);
    assert.equal((await engine.diff(state, inputs)).changes, "none", kind);
    const again = await engine.create(kind, kind === "Domain" ? "green" : "x", inputs);
    assert.deepEqual(again, state, kind);
  }
});

test("no file but those of keys holds a private key, and none holds a password", () => {
  for (const file of filesBelow(directory)) {
    const text = readFileSync(file, "latin1");
    assert.ok(!text.includes("a first word"), file);
    if (text.includes("a relay's word")) assert.equal(statSync(file).mode & 0o077, 0, file);
    if (text.includes("PRIVATE KEY")) assert.equal(statSync(file).mode & 0o077, 0, file);
  }
});

test("a relay's password that is not the host's any more is drift, and is told by no read", async () => {
  const inputs = { name: "drift", host: "relay.test", username: "me", password: secret("first") };
  const state = await engine.create("Relay", "drift", inputs);
  assert.deepEqual(await engine.refresh(state), state);
  const stale = { ...state, inputs: { ...state.inputs, password: secret("other") } };
  const seen = await engine.refresh(stale);
  assert.ok(seen && !("password" in seen.inputs));
  assert.ok(!JSON.stringify(seen).includes("first"));
});

test("the password that was declared logs in, and a changed declaration takes its place", async () => {
  const state = await engine.create("Mailbox", "cleo", {
    address: "cleo@green.test",
    password: secret("one"),
  });
  const news = { address: "cleo@green.test", password: secret("two"), passwordPolicy: "enforced" };
  const updated = await engine.update(state, news);
  assert.deepEqual(await engine.refresh(updated), updated);
  const stale = { ...updated, inputs: { ...updated.inputs, password: secret("one") } };
  const seen = await engine.refresh(stale);
  assert.ok(seen && !("password" in seen.inputs), "an enforced password that does not match is drift");
});

test("renaming without an alias, create before delete, leaves the mailbox and its mail as they are (D4)", async () => {
  const old = await engine.create("Mailbox", "dora", { address: "dora@green.test", password: secret("x") });
  const maildir = join(directory, "mail", "green.test", "dora", "new");
  mkdirSync(maildir, { recursive: true });
  writeFileSync(join(maildir, "1.a.b"), "Subject: kept\r\n\r\n");
  const renamed = await engine.create("Mailbox", "dora-2", {
    address: "dora@green.test",
    password: secret("x"),
  });
  await engine.delete(old);
  assert.equal(await enabled("dora@green.test"), true);
  assert.deepEqual(await engine.refresh(renamed), renamed);
  await engine.delete(renamed);
  assert.equal(await enabled("dora@green.test"), false);
  assert.ok(existsSync(join(maildir, "1.a.b")), "a removed mailbox keeps its mail");
  const back = await engine.create("Mailbox", "dora-3", {
    address: "dora@green.test",
    password: secret("x"),
  });
  assert.deepEqual(await engine.refresh(back), back);
});

test("renaming with an alias writes the new owner in the same update, and later deletes find their own (D4)", async () => {
  const old = await engine.create("Alias", "post", {
    address: "post@green.test",
    targets: ["anna@green.test"],
  });
  const urn = urnOf("mailkeep:index:Alias", "post-2");
  const news = { address: "post@green.test", targets: ["anna@green.test"] };
  assert.deepEqual(Object.keys((await engine.diff(old, news, urn)).detailedDiff), ["owner"]);
  const moved = await engine.update(old, news, urn);
  assert.deepEqual(await engine.refresh(moved), moved);
  await engine.delete(moved);
  assert.equal(await engine.refresh(moved), undefined);
});

test("moving an address from one resource to another in one deployment keeps it (D4)", async () => {
  const declared = { address: "both@green.test", targets: ["anna@green.test"] };
  const first = await engine.create("Alias", "first", declared);
  const second = await engine.create("Alias", "second", declared);
  await engine.delete(first);
  assert.deepEqual(await engine.refresh(second), second);
});

test("an object that is removed twice, or was never there, is no error", async () => {
  const state: State = await engine.create("Alias", "gone", {
    address: "gone@green.test",
    targets: ["anna@green.test"],
  });
  await engine.delete(state);
  await engine.delete(state);
});
