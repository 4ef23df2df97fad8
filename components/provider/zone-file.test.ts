/** Zone files written for name servers of others: knot and BIND read them, and a preview's life is that of a file. */
import assert from "node:assert/strict";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { startKnot } from "../../mailserver-runtime/dns/test-support.ts";
import { needs, run } from "../../test/support/tools.ts";
import { createProvider } from "./provider.ts";
import { MemoryHost } from "./testing/memory-host.ts";
import { Miniature } from "./testing/stack-in-miniature.ts";

const recordSets = {
  "example.test MX": ["3600 10 mail.example.test."],
  "mail.example.test A": ["3600 192.0.2.1"],
  "ns.example.test A": ["3600 192.0.2.1"],
  "mk1._domainkey.example.test TXT": [`3600 "v=DKIM1; p=${"A".repeat(200)}" "${"B".repeat(180)}"`],
  "_imap._tcp.example.test SRV": ["3600 0 0 0 ."],
};

async function engineIn(t: TestContext) {
  const directory = mkdtempSync(join(tmpdir(), "mailkeep-zones-"));
  t.after(() => rmSync(directory, { recursive: true, force: true }));
  const host = new MemoryHost();
  host.prepared = true;
  const provider = createProvider({ connect: () => host });
  await provider.configure({ urn: "urn", inputs: { type: "local", directory } });
  const declared = { zone: "example.test", directory, nameServers: ["ns.example.test"], recordSets };
  return { directory, declared, engine: new Miniature(provider), path: join(directory, "example.test.zone") };
}

const serialOf = (text: string) => Number(/ SOA \S+ \S+ (\d+) /.exec(text)?.[1]);

test("knot and BIND take the file as it is", async (t) => {
  if (!needs(t, "knotd", "kdig", "named-checkzone")) return;
  const { declared, engine, path } = await engineIn(t);
  const { outputs } = await engine.create("ZoneFile", "z", declared);
  assert.equal(outputs.path, path);
  const checked = await run("named-checkzone", ["example.test", path]);
  assert.equal(checked.code, 0, checked.stdout + checked.stderr);
  const port = await startKnot(t, { "example.test": { text: readFileSync(path, "utf8"), lines: [] } });
  const answer = await run("kdig", [
    "@127.0.0.1",
    "-p",
    String(port),
    "mk1._domainkey.example.test",
    "TXT",
    "+short",
  ]);
  assert.match(answer.stdout, /^"v=DKIM1; p=A+" "B{180}"$/m);
});

test("the serial grows when the rest changes, and only then (RFC 1982)", async (t) => {
  const { declared, engine, path } = await engineIn(t);
  const state = await engine.create("ZoneFile", "z", declared);
  const first = readFileSync(path, "utf8");
  assert.ok(serialOf(first) >= 2_026_000_000);
  await engine.update(state, declared);
  assert.equal(readFileSync(path, "utf8"), first);
  await engine.update(state, { ...declared, ttl: 300 });
  assert.equal(serialOf(readFileSync(path, "utf8")), serialOf(first) + 1);
});

test("a file edited by hand is drift, one that is gone is made again, one of somebody else's is not touched", async (t) => {
  const { declared, engine, path } = await engineIn(t);
  const state = await engine.create("ZoneFile", "z", declared);
  assert.deepEqual((await engine.refresh(state))?.inputs.recordSets, recordSets);
  writeFileSync(path, readFileSync(path, "utf8").replace("MX 10", "MX 99"));
  const drifted = await engine.refresh(state);
  assert.notDeepEqual(drifted?.inputs.recordSets, recordSets);
  await engine.update(drifted!, declared);
  assert.match(readFileSync(path, "utf8"), /MX 10 /);
  rmSync(path);
  assert.equal(await engine.refresh(state), undefined);
  writeFileSync(path, "; my own zone\n");
  await assert.rejects(engine.create("ZoneFile", "z", declared), /was not written by mailkeep: move it away/);
  await engine.delete(state);
  assert.equal(readFileSync(path, "utf8"), "; my own zone\n");
});

test("records alone go into a zone of one's own by $INCLUDE", async (t) => {
  if (!needs(t, "named-checkzone")) return;
  const { directory, declared, engine, path } = await engineIn(t);
  const { nameServers: _, ...rest } = declared;
  await engine.create("ZoneFile", "z", { ...rest, form: "include" });
  const zone = join(directory, "own.zone");
  writeFileSync(
    zone,
    `$TTL 300\n@ SOA ns.example.test. h.example.test. 1 7200 900 1209600 60\n@ NS ns.example.test.\nwww A 192.0.2.9\n$INCLUDE ${path}\n`,
  );
  const checked = await run("named-checkzone", ["example.test", zone]);
  assert.equal(checked.code, 0, checked.stdout + checked.stderr);
  await assert.rejects(engine.create("ZoneFile", "y", { ...rest, zone: "y.test" }), /names its servers/);
});
