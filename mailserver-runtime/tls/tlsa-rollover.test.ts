import assert from "node:assert/strict";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import type { Resolver } from "../dns/resolver.ts";
import { zoneResolver } from "../dns/zone-for-tests.ts";
import { mayUseNextKey } from "./tlsa-rollover.ts";

const current = "aa".repeat(32);
const next = "bb".repeat(32);
const start = Date.UTC(2026, 0, 1);
const TLSA = "TLSA _25._tcp.mail.green.test";

async function watcher(t: TestContext) {
  const folder = await mkdtemp(join(tmpdir(), "tlsa-"));
  t.after(() => rm(folder, { recursive: true, force: true }));
  return (zone: Parameters<typeof zoneResolver>[0] | Resolver, now = start) => {
    const resolver = "resolve" in zone ? (zone as Resolver) : zoneResolver(zone);
    return mayUseNextKey(resolver, { names: ["mail.green.test", "*.x.test"], spki: next, folder }, now);
  };
}
const reasonOf = (answer: Awaited<ReturnType<Awaited<ReturnType<typeof watcher>>>>) =>
  answer.may ? "may" : answer.reason;

test("a host without TLSA records, or with those of an authority alone, may change its key at any time", async (t) => {
  const may = await watcher(t);
  assert.equal(reasonOf(await may({})), "may");
  assert.equal(reasonOf(await may({ [TLSA]: [`2 1 1 ${current}`] })), "may");
});

test("the next key waits until its record is seen, and as long as caches may be without it (RFC 7671 §8.1)", async (t) => {
  const may = await watcher(t);
  assert.match(reasonOf(await may({ [TLSA]: [`3 1 1 ${current}`] })), /do not have the next key yet/);
  const both = { [TLSA]: [`3 1 1 ${current}`, `3 1 1 ${next}`] };
  const seen = await zoneResolver(both).resolve("_25._tcp.mail.green.test", "TLSA");
  const wait = seen.ttl * 1000;
  assert.ok(wait > 0);
  assert.match(reasonOf(await may(both)), /caches may have .* until 2026-01-01/);
  assert.match(reasonOf(await may(both, start + wait - 1)), /caches may have/);
  assert.equal(reasonOf(await may(both, start + wait)), "may");
});

test("a DNS that does not answer, or an answer that is gone again, keeps the key", async (t) => {
  const may = await watcher(t);
  assert.match(reasonOf(await may({ [TLSA]: "tempfail" })), /cannot be asked for/);
  const both = { [TLSA]: [`3 1 1 ${current}`, `3 1 1 ${next}`] };
  await may(both);
  assert.match(
    reasonOf(await may({ [TLSA]: [`3 1 1 ${current}`] }, start + 1e9)),
    /do not have the next key/,
  );
});
