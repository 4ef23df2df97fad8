import assert from "node:assert/strict";
import { createHmac } from "node:crypto";
import { mkdtemp, readFile, rm, stat } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import fc from "fast-check";
import { parseAddress } from "../message/address.ts";
import { routeRecipient } from "./routing.ts";
import { snapshotOf } from "./snapshot-for-tests.ts";
import { createSrs, loadSrsSecrets, MAX_AGE_DAYS } from "./srs.ts";

const DAY = 86_400_000;
const now = Date.UTC(2026, 10, 23);
const here = (secrets: readonly string[] = ["tell nobody"], time = now, domain = "here.example") =>
  createSrs({ secrets, domain, isOurs: (name) => name === domain, clock: () => time });
const reversed = (srs: ReturnType<typeof here>, address: string) =>
  srs.reverse(parseAddress(address) ?? assert.fail(address));

test("a forward's sender is rewritten in PostSRSd's form and found again", () => {
  const srs = here();
  const rewritten = srs.forward("Ann@example.org");
  const day = Math.floor(now / DAY) % 1024;
  const base32 = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
  const stamp = `${base32[day >> 5]}${base32[day & 31]}`;
  const hash = createHmac("sha1", "tell nobody")
    .update(`${stamp.toLowerCase()}example.organn`)
    .digest("base64")
    .slice(0, 4);
  assert.equal(rewritten, `SRS0=${hash}=${stamp}=example.org=Ann@here.example`);
  assert.deepEqual(reversed(srs, rewritten), { address: "Ann@example.org" });
});

test("a second and a third forwarder keep the first one's work in SRS1", () => {
  const first = here(["one"], now, "one.example");
  const second = here(["two"], now, "two.example");
  const third = here(["three"], now, "three.example");
  const a = first.forward("ann@example.org");
  const b = second.forward(a);
  const c = third.forward(b);
  assert.match(b, /^SRS1=....=one\.example==....=..=example\.org=ann@two\.example$/);
  assert.match(c, /^SRS1=....=one\.example==....=..=example\.org=ann@three\.example$/);
  assert.deepEqual(reversed(third, c), { address: a });
  assert.deepEqual(reversed(second, b), { address: a });
});

test("the null reverse-path, our own domains and address literals are left as they are", () => {
  for (const sender of ["", "ann@here.example", "ann@[192.0.2.1]", "no address"])
    assert.equal(here().forward(sender), sender);
});

test("a forged, an expired and a broken address do not open a relay; folded case does no harm", () => {
  const rewritten = here().forward("ann@example.org");
  assert.deepEqual(reversed(here(["other"]), rewritten), { problem: "bad hash" });
  assert.deepEqual(reversed(here(), rewritten.replace("=ann@", "=bob@")), { problem: "bad hash" });
  assert.deepEqual(reversed(here(undefined, now + (MAX_AGE_DAYS + 1) * DAY), rewritten), {
    problem: "expired",
  });
  assert.ok("address" in reversed(here(undefined, now + MAX_AGE_DAYS * DAY), rewritten));
  assert.deepEqual(reversed(here(), "SRS0=x@here.example"), { problem: "malformed" });
  assert.ok("address" in reversed(here(), rewritten.toLowerCase()));
});

test("after a change of secret the old one still verifies", () => {
  const rewritten = here(["old"]).forward("ann@example.org");
  assert.deepEqual(reversed(here(["new", "old"]), rewritten), { address: "ann@example.org" });
});

test("every sender survives the round trip", () => {
  const srs = here();
  fc.assert(
    fc.property(fc.stringMatching(/^[!-~]{1,60}$/), fc.domain(), (localPart, domain) => {
      if (/^SRS[01]/i.test(localPart) || domain === "here.example") return;
      const quoted = `"${localPart.replace(/["\\]/g, "\\$&")}"@${domain}`;
      const sender = parseAddress(quoted);
      const rewritten = parseAddress(srs.forward(quoted));
      if (sender === undefined || rewritten === undefined) return;
      assert.ok(srs.recognises(rewritten));
      const back = srs.reverse(rewritten);
      assert.ok("address" in back);
      assert.deepEqual(parseAddress(back.address), sender);
    }),
    { numRuns: 1000 },
  );
});

test("a bounce to a rewritten address is routed back to the sender, a forged one refused", () => {
  const srs = here(["secret"], now, "example.org");
  const snapshot = snapshotOf({ accounts: ["ann@example.org"] });
  const rewritten = srs.forward("Dan@remote.example");
  const [route] = routeRecipient(snapshot, rewritten, { srs });
  assert.deepEqual(route && { ...route, via: [] }, {
    kind: "remote",
    address: "Dan@remote.example",
    forwarded: true,
    via: [],
  });
  const [forged] = routeRecipient(snapshot, rewritten.replace("Dan", "Eve"), { srs });
  assert.equal(forged?.kind === "refused" && forged.refusal.status, "5.7.1");
});

test("the secret is made once, for its owner's eyes, and kept", async (context) => {
  const directory = await mkdtemp(join(tmpdir(), "mailkeep-srs-"));
  context.after(() => rm(directory, { recursive: true }));
  const file = join(directory, "srs-secret");
  const first = await loadSrsSecrets(file);
  assert.equal((await stat(file)).mode & 0o777, 0o600);
  assert.deepEqual(await loadSrsSecrets(file), first);
  assert.equal((await readFile(file, "utf8")).trim(), first[0]);
});
