import assert from "node:assert/strict";
import { test } from "node:test";
import { UNKNOWN } from "../engine/provider.ts";
import { isSecret, secret } from "../engine/wire.ts";
import { HostError } from "../host/host-error.ts";
import { createProvider } from "./provider.ts";
import { MemoryHost } from "./testing/memory-host.ts";
import { Miniature, Refused, urnOf } from "./testing/stack-in-miniature.ts";

async function stack() {
  const host = new MemoryHost();
  host.prepared = true;
  const warnings: string[] = [];
  const provider = createProvider({ connect: () => host, warn: (_urn, message) => warnings.push(message) });
  await provider.configure({ urn: "", inputs: { type: "local", directory: "/nowhere" } });
  return { host, warnings, engine: new Miniature(provider), provider };
}

const anna = { address: "anna@example.org", password: secret("first") };
const mailboxUrn = (name: string) => urnOf("mailkeep:index:Mailbox", name);

test("a resource without an explicit provider is told what it needs", async () => {
  const { failures } = await createProvider().checkConfig({
    urn: "",
    olds: {},
    news: { mail: "{}", version: "1.0.0" },
  });
  assert.equal(failures.length, 1);
  assert.match(failures[0]!.reason, /explicit provider/);
});

test("a provider's configuration names an unknown way to a host, and the ways there are", async () => {
  const { failures } = await createProvider().checkConfig({ urn: "", olds: {}, news: { type: "telnet" } });
  assert.deepEqual(failures, [{ property: "type", reason: 'must be one of "local", "docker", "ssh"' }]);
});

test("another path to the host is an update of the provider and replaces nothing", async () => {
  const diff = await createProvider().diffConfig({
    urn: "",
    olds: {},
    oldInputs: { type: "local", directory: "/a" },
    news: { type: "local", directory: "/b" },
  });
  assert.equal(diff.changes, "some");
  assert.deepEqual(diff.replaces, []);
});

test("configuring does not ask the host", async () => {
  const { host } = await stack();
  assert.deepEqual(host.asked, []);
});

test("check names the property, what is wrong and the nearest known name", async () => {
  const { engine } = await stack();
  await assert.rejects(
    engine.check("Mailbox", "anna", { address: "anna", quotaByte: 5, quotaBytes: -1 }),
    (error) => {
      assert.ok(error instanceof Refused);
      assert.deepEqual(error.reasons.map((reason) => reason.split(":")[0]).sort(), [
        "address",
        "quotaByte",
        "quotaBytes",
      ]);
      assert.match(error.message, /quotaByte: is not known here; did you mean "quotaBytes"\?/);
      assert.match(error.message, /address: has no @/);
      return true;
    },
  );
});

test("check never repeats a value, which may be a secret in the wrong place", async () => {
  const { engine } = await stack();
  const news = {
    address: "anna@example.org",
    password: ["hunter2"],
    passwordPolicy: "hunter2",
    passwordHash: "hunter2",
  };
  await assert.rejects(
    engine.check("Mailbox", "anna", news),
    (error: Error) => !error.message.includes("hunter2"),
  );
});

test("check lets unknown values through and checks the known ones beside them", async () => {
  const { engine } = await stack();
  const inputs = await engine.check("Alias", "info", { address: "INFO@Example.ORG", targets: [UNKNOWN] });
  assert.deepEqual(inputs, { address: "info@example.org", targets: [UNKNOWN] });
  await assert.rejects(engine.check("Alias", "info", { address: "info", targets: [UNKNOWN] }), Refused);
});

test("addresses and domains are kept in one spelling, so that another one is no change", async () => {
  const { engine } = await stack();
  const state = await engine.create("Domain", "d", { domain: "BÜCHER.example" });
  assert.equal(state.id, "xn--bcher-kva.example");
  assert.equal((await engine.diff(state, { domain: "xn--bcher-kva.example" })).changes, "none");
});

test("a password is a secret in the inputs even when the program gave it plain, and stands in no output", async () => {
  const { engine } = await stack();
  const state = await engine.create("Mailbox", "anna", { address: "anna@example.org", password: "first" });
  assert.ok(isSecret(state.inputs.password));
  assert.ok(!JSON.stringify(state.outputs).includes("first"));
  assert.ok(!("password" in state.outputs));
});

test("the same password is no change, another one is a change of that property alone", async () => {
  const { engine } = await stack();
  const state = await engine.create("Mailbox", "anna", anna);
  assert.equal((await engine.diff(state, anna)).changes, "none");
  const diff = await engine.diff(state, { ...anna, password: secret("second") });
  assert.deepEqual(diff.detailedDiff, { password: { kind: "update", inputDiff: true } });
  assert.deepEqual(diff.replaces, []);
});

test("a new declared password takes the place of the old declared one", async () => {
  const { engine, host } = await stack();
  const state = await engine.create("Mailbox", "anna", anna);
  await engine.update(state, { ...anna, password: secret("second") });
  assert.equal(host.objects.get("mailbox anna@example.org")?.secret, "second");
});

test("a password that its user has changed stays when the declared initial one changes", async () => {
  const { engine, host } = await stack();
  const state = await engine.create("Mailbox", "anna", anna);
  host.objects.get("mailbox anna@example.org")!.secret = "her own";
  const updated = await engine.update(state, { ...anna, password: secret("second") });
  assert.equal(host.objects.get("mailbox anna@example.org")?.secret, "her own");
  assert.ok(await engine.refresh(updated));
});

test("a user's own password is no drift under the policy initial, and is set back under enforced", async () => {
  for (const passwordPolicy of ["initial", "enforced"]) {
    const { engine, host } = await stack();
    const declared = { ...anna, passwordPolicy };
    const state = await engine.create("Mailbox", "anna", declared);
    host.objects.get("mailbox anna@example.org")!.secret = "her own";
    const refreshed = await engine.refresh(state);
    assert.ok(refreshed);
    const diff = await engine.diff(refreshed, declared);
    assert.equal(diff.changes, passwordPolicy === "initial" ? "none" : "some", passwordPolicy);
    if (passwordPolicy === "initial") continue;
    await engine.update(refreshed, declared);
    assert.equal(host.objects.get("mailbox anna@example.org")?.secret, "first");
  }
});

test("another address is another mailbox; an unknown address replaces nothing", async () => {
  const { engine } = await stack();
  const state = await engine.create("Mailbox", "anna", anna);
  const moved = await engine.diff(state, { ...anna, address: "anne@example.org" });
  assert.deepEqual(moved.replaces, ["address"]);
  assert.equal(moved.detailedDiff.address?.kind, "update-replace");
  const unknown = await engine.diff(state, { ...anna, address: UNKNOWN });
  assert.equal(unknown.changes, "some");
  assert.deepEqual(unknown.replaces, []);
});

test("a certificate with one more name is updated under its first name, since one id is one object", async () => {
  const { engine, host } = await stack();
  const state = await engine.create("Certificate", "c", { names: ["mail.example.org"] });
  const more = { names: ["mail.example.org", "imap.example.org"] };
  assert.deepEqual((await engine.diff(state, more)).replaces, []);
  await engine.update(state, more);
  assert.ok(host.objects.has("certificate mail.example.org"));
  assert.deepEqual((await engine.diff(state, { names: ["mx.example.org"] })).replaces, ["names"]);
});

test("a preview of a create asks nothing and knows what follows from the inputs", async () => {
  const { engine, host, provider } = await stack();
  const inputs = await engine.check("DkimKey", "k", { domain: "example.org", selector: "mk1" });
  const type = "mailkeep:index:DkimKey";
  const request = { urn: urnOf(type, "k"), type, name: "k", inputs, timeoutSeconds: 0 };
  const { id, outputs } = await provider.create({ ...request, preview: true });
  assert.equal(id, "mk1._domainkey.example.org");
  assert.equal(outputs.publicKey, UNKNOWN);
  assert.equal(outputs.algorithm, "rsa-2048");
  assert.deepEqual(host.asked, []);
});

test("a preview of an update keeps what the host told before", async () => {
  const { engine, host } = await stack();
  const state = await engine.create("DkimKey", "k", { domain: "example.org", selector: "mk1" });
  const asked = host.asked.length;
  const preview = await engine.update(
    state,
    { domain: "example.org", selector: "mk1", active: false },
    state.urn,
    true,
  );
  assert.equal(preview.outputs.publicKey, "public-mk1-example.org");
  assert.equal(preview.outputs.active, false);
  assert.equal(host.asked.length, asked);
});

test("create again after an interruption adopts what is there (D4)", async () => {
  const { engine, host } = await stack();
  await engine.create("Mailbox", "anna", anna);
  host.objects.get("mailbox anna@example.org")!.secret = "her own";
  await engine.create("Mailbox", "anna", anna);
  assert.equal(host.objects.get("mailbox anna@example.org")?.secret, "her own");
});

test("a resource that moves without an alias is created before its old self is deleted, and stays (D4)", async () => {
  const { engine, host } = await stack();
  const old = await engine.create("Mailbox", "anna", anna);
  const moved = await engine.create("Mailbox", "anna-new", anna);
  await engine.delete(old);
  const mailbox = host.objects.get("mailbox anna@example.org");
  assert.equal(mailbox?.enabled, true);
  assert.equal(mailbox?.owner, moved.urn);
});

test("a resource that moves with an alias writes its new URN, and a later delete still finds it its own (D4)", async () => {
  const { engine, host } = await stack();
  const old = await engine.create("Mailbox", "anna", anna);
  const urn = mailboxUrn("anna-new");
  const diff = await engine.diff(old, anna, urn);
  assert.deepEqual(Object.keys(diff.detailedDiff), ["owner"]);
  const moved = await engine.update(old, anna, urn);
  assert.equal(host.objects.get("mailbox anna@example.org")?.owner, urn);
  assert.equal((await engine.diff(moved, anna)).changes, "none");
  await engine.delete(moved);
  assert.equal(host.objects.get("mailbox anna@example.org")?.enabled, false);
});

test("delete does nothing to an object that another resource has taken over, for every type with an owner (D4)", async () => {
  const { engine, host } = await stack();
  const declared: [string, Record<string, unknown>, string][] = [
    ["Domain", { domain: "example.org" }, "domain example.org"],
    ["Alias", { address: "info@example.org", targets: ["anna@example.org"] }, "alias info@example.org"],
    ["DkimKey", { domain: "example.org", selector: "mk1" }, "dkim mk1 example.org"],
    ["Certificate", { names: ["mail.example.org"] }, "certificate mail.example.org"],
    ["Zone", { origin: "example.org", recordSets: {} }, "zone example.org"],
  ];
  for (const [kind, inputs, key] of declared) {
    const old = await engine.create(kind, "old", inputs);
    const taker = await engine.create(kind, "new", inputs);
    await engine.delete(old);
    assert.equal(host.objects.get(key)?.owner, taker.urn, kind);
    await engine.delete(taker);
    assert.ok(!host.objects.has(key), kind);
  }
});

test("a removed mailbox is gone for a refresh, and a changed quota or alias is seen", async () => {
  const { engine, host } = await stack();
  const mailbox = await engine.create("Mailbox", "anna", anna);
  host.objects.get("mailbox anna@example.org")!.quotaBytes = 5;
  const seen = await engine.refresh(mailbox);
  assert.equal(seen?.inputs.quotaBytes, 5);
  assert.deepEqual(Object.keys((await engine.diff(seen!, anna)).detailedDiff), ["quotaBytes"]);
  host.objects.get("mailbox anna@example.org")!.enabled = false;
  assert.equal(await engine.refresh(mailbox), undefined);
});

test("a refresh of what did not change gives the same inputs and outputs, for every readable type", async () => {
  const { engine, host } = await stack();
  host.state = { kind: "running", version: host.version, owner: urnOf("mailkeep:index:Server", "x") };
  const recordSets = {
    "example.org SOA": ["3600 mail.example.org. hostmaster.example.org. 1 7200 900 1209600 300"],
    "example.org MX": ["3600 10 mail.example.org."],
    "example.org TXT": ['3600 "v=spf1 -all"'],
  };
  for (const [kind, inputs] of [
    ["MailDirectories", {}],
    ["Domain", { domain: "example.org" }],
    ["Mailbox", anna],
    ["Alias", { address: "@example.org", targets: ["anna@example.org"] }],
    ["Zone", { origin: "example.org", recordSets }],
    ["Server", { listeners: [] }],
  ] as const) {
    const state = await engine.create(kind, "x", inputs);
    assert.deepEqual(await engine.refresh(state), state, kind);
  }
});

test("the serial of a zone is the host's: a text with a higher one is no drift", async () => {
  const { engine, host } = await stack();
  const recordSets = { "example.org SOA": ["3600 a.example.org. h.example.org. 1 7200 900 1209600 300"] };
  const state = await engine.create("Zone", "z", { origin: "example.org", recordSets });
  const zone = host.objects.get("zone example.org")!;
  zone.text = String(zone.text).replace(" 1 7200", " 2026112301 7200");
  assert.deepEqual(await engine.refresh(state), state);
});

test("an import needs the id alone", async () => {
  const { engine, host } = await stack();
  host.objects.set("mailbox ben@example.org", { owner: "setup", enabled: true, quotaBytes: 9 });
  const urn = mailboxUrn("ben");
  const found = await engine.refresh({
    urn,
    type: "mailkeep:index:Mailbox",
    id: "ben@example.org",
    inputs: {},
    outputs: {},
  });
  assert.equal(found?.inputs.address, "ben@example.org");
  assert.equal(found?.inputs.quotaBytes, 9);
});

test("nothing is removed from a host whose directories are gone, and everything there counts as gone", async () => {
  const { engine, host } = await stack();
  const state = await engine.create("Domain", "d", { domain: "example.org" });
  host.prepared = false;
  host.asked.length = 0;
  await engine.delete(state);
  assert.equal(await engine.refresh(state), undefined);
  assert.deepEqual(host.asked, []);
});

test("the directories of mail are left alone by a delete", async () => {
  const { engine, host } = await stack();
  const state = await engine.create("MailDirectories", "d", {});
  host.asked.length = 0;
  await engine.delete(state);
  assert.deepEqual(host.asked, []);
  assert.equal(host.prepared, true);
});

test("a stopped server is a change of one line, and starts again", async () => {
  const { engine, host, warnings } = await stack();
  const state = await engine.create("Server", "s", { listeners: [] });
  assert.equal((await engine.diff(state, { listeners: [] })).changes, "none");
  host.state = { kind: "stopped" };
  const diff = await engine.diff(state, { listeners: [] });
  assert.deepEqual(Object.keys(diff.detailedDiff), ["running"]);
  assert.deepEqual(warnings, ["the server is not running"]);
  await engine.update(state, { listeners: [] });
  assert.equal(host.state.kind, "running");
});

test("other code on the host than the package carries is a change of the version", async () => {
  const { engine, host } = await stack();
  const state = await engine.create("Server", "s", { listeners: [] });
  host.version = "1.0.0+bbbbbbbbbbbb";
  assert.deepEqual(Object.keys((await engine.diff(state, { listeners: [] })).detailedDiff), ["version"]);
});

test("a server that runs other code than was declared is a change too, though no input changed", async () => {
  const { engine, host } = await stack();
  const state = await engine.create("Server", "s", { listeners: [] });
  host.state = { kind: "running", version: "0.9.0+cccccccccccc", owner: state.urn };
  assert.deepEqual(Object.keys((await engine.diff(state, { listeners: [] })).detailedDiff), ["version"]);
});

test("a host that does not answer is a warning and no change", async () => {
  const { engine, host, warnings } = await stack();
  const state = await engine.create("Server", "s", { listeners: [] });
  host.state = { kind: "unreachable", reason: "no route" };
  assert.equal((await engine.diff(state, { listeners: [] })).changes, "none");
  assert.match(warnings[0]!, /no route/);
});

test("settings that need a restart stop the server before it starts anew", async () => {
  const { engine, host } = await stack();
  const state = await engine.create("Server", "s", { listeners: [], restartOn: { dns: { servers: [] } } });
  const news = { listeners: [], restartOn: { dns: { servers: ["127.0.0.1"] } } };
  assert.equal((await engine.diff(state, news)).changes, "some");
  await engine.update(state, news);
  assert.deepEqual([host.stops, host.starts], [1, 2]);
});

test("a server that another resource has taken over is not stopped (D4)", async () => {
  const { engine, host } = await stack();
  const old = await engine.create("Server", "s", { listeners: [] });
  const taker = await engine.create("Server", "t", { listeners: [] });
  await engine.delete(old);
  assert.equal(host.state.kind, "running");
  await engine.delete(taker);
  assert.equal(host.state.kind, "stopped");
});

test("the first operation dials until the host answers", async () => {
  const { engine, host } = await stack();
  host.failures.push(new HostError("unreachable", "not yet"), new HostError("unreachable", "not yet"));
  await engine.create("Domain", "d", { domain: "example.org" });
  assert.equal(host.asked.length, 3);
});

test("an operation gives up at its own deadline, with the host's last word", async () => {
  const { host, provider } = await stack();
  for (let count = 0; count < 50; count++) host.failures.push(new HostError("unreachable", "still asleep"));
  const type = "mailkeep:index:Domain";
  const began = Date.now();
  const request = {
    urn: urnOf(type, "d"),
    type,
    name: "d",
    inputs: { domain: "example.org" },
    preview: false,
  };
  await assert.rejects(provider.create({ ...request, timeoutSeconds: 1 }), /still asleep/);
  assert.ok(Date.now() - began < 2_000);
});

test("what the host refuses is not tried again and its reason is told", async () => {
  const { engine, host } = await stack();
  host.failures.push(new HostError("conflict", "the key of mk1 is rsa-2048, not ed25519"));
  await assert.rejects(
    engine.create("DkimKey", "k", { domain: "example.org", selector: "mk1", algorithm: "ed25519" }),
    /is rsa-2048, not ed25519/,
  );
  assert.equal(host.asked.length, 1);
});

test("settings are checked by their schema, with the place and the nearest name", async () => {
  const { engine } = await stack();
  const settings = { hostname: "mail.example.org", mesage: {}, dns: { server: [] }, logLevel: "loud" };
  await assert.rejects(engine.check("Settings", "s", { settings }), (error: Error) => {
    assert.match(error.message, /settings\.mesage: is not known here; did you mean "message"\?/);
    assert.match(error.message, /settings\.dns\.server: is not known here; did you mean "servers"\?/);
    assert.match(error.message, /settings\.logLevel: must be one of "error", "warn"/);
    return true;
  });
});

test("a server that is declared stopped is stopped, and one that runs all the same is drift", async () => {
  const { engine, host } = await stack();
  const state = await engine.create("Server", "s", { listeners: [] });
  const stopped = await engine.update(state, { listeners: [], running: false });
  assert.equal(host.state.kind, "stopped");
  assert.equal((await engine.diff(stopped, { listeners: [], running: false })).changes, "none");
  host.state = { kind: "running", version: host.version, owner: state.urn };
  assert.equal((await engine.diff(stopped, { listeners: [], running: false })).changes, "some");
});

test("on a host whose data is gone everything is made again, and nothing the old host told counts as known", async () => {
  const first = await stack();
  const key = { domain: "example.org", selector: "mk1" };
  const state = await first.engine.create("DkimKey", "k", key);
  const { engine, host } = await stack();
  host.prepared = false;
  const diff = await engine.diff(state, key);
  assert.equal(diff.changes, "some");
  assert.deepEqual(diff.replaces, []);
  assert.deepEqual(diff.stables, []);
  assert.equal((await engine.update(state, key, state.urn, true)).outputs.publicKey, UNKNOWN);
  host.prepared = true;
  assert.equal((await engine.update(state, key)).outputs.publicKey, "public-mk1-example.org");
});

test("a property that changes are ignored for is no change, nor is anything below it", async () => {
  const { engine, provider } = await stack();
  const inputs = { address: "info@example.org", targets: ["anna@example.org"] };
  const state = await engine.create("Alias", "info", inputs);
  const news = await engine.check("Alias", "info", { ...inputs, targets: ["ben@example.org"] });
  const request = { ...state, name: "info", oldInputs: state.inputs, olds: state.outputs, news };
  assert.equal((await provider.diff({ ...request, ignoreChanges: ["targets"] })).changes, "none");
  assert.equal((await provider.diff({ ...request, ignoreChanges: ["target"] })).changes, "some");
});
