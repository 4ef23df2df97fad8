/** A rotation on the files of a host, against a real name server that is changed as a publisher does it. */
import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { dnsRecord } from "../dns/records.ts";
import { hasTool, startKnot } from "../dns/test-support.ts";
import { updateZone } from "../dns/update.ts";
import { zoneResolver } from "../dns/zone-for-tests.ts";
import { verifyDkim } from "../filter/dkim/verify.ts";
import { createSigner } from "../filter/signer.ts";
import { memoryContent } from "../message/content.ts";
import { readHeaders } from "../message/headers.ts";
import { silentLog } from "../net/log.ts";
import { directoriesBelow } from "../settings/directories.ts";
import type { OperationAnswer, OperationName, OperationRequest } from "./contract.ts";
import { currentSnapshot } from "./current-snapshot.ts";
import { perform } from "./operations.ts";

const owner = "urn:pulumi:dev::mailkeep::mailkeep:index:DkimKeys::k";
const domain = "green.test";
const TTL = 2;
type Keys = OperationAnswer<"dkim.ring.put">["keys"];

async function host(t: TestContext, dnsPort: number) {
  const root = await mkdtemp(join(tmpdir(), "dkim-ring-"));
  t.after(() => rm(root, { recursive: true, force: true }));
  const directories = directoriesBelow(root);
  const context = { directories, version: "0.0.0-test" };
  const ask = <N extends OperationName>(name: N, request: OperationRequest<N>) =>
    perform(name, request, context);
  const settings = { hostname: "mail.green.test", dns: { servers: [`127.0.0.1:${dnsPort}`] } };
  await ask("settings.put", { settings, owner });
  await ask("domain.put", { domain, owner });
  const rotation = join(directories.state, "dkim", domain, "rotation.json");
  return { ask, context, rotation };
}

/** What of a domain's signatures verify, by selector and algorithm. */
async function signatures(context: Parameters<typeof currentSnapshot>[0], keys: Keys) {
  const snapshot = await currentSnapshot(context);
  const letter = Buffer.from("From: anna@green.test\r\nSubject: x\r\n\r\nHello\r\n");
  const signed = await createSigner(() => snapshot, silentLog).sign(
    domain,
    Buffer.alloc(0),
    memoryContent(letter),
  );
  const zone = Object.fromEntries(
    keys.map(({ selector, algorithm, publicKey }) => [
      `TXT ${selector}._domainkey.${domain}`,
      [`v=DKIM1; k=${algorithm === "ed25519" ? "ed25519" : "rsa"}; p=${publicKey}`],
    ]),
  );
  const content = memoryContent(Buffer.concat([signed, letter]));
  const results = await verifyDkim(zoneResolver(zone), content, await readHeaders(content), Date.now());
  return results.map(({ result, selector }) => `${selector} ${result}`).sort();
}

const names = (keys: Keys) => keys.map(({ selector, role }) => `${selector} ${role}`);

test("a rotation is done phase by phase, resumable, and at each moment mail has two valid signatures (RFC 6376, RFC 8463)", async (t) => {
  if (!hasTool(t, "knotd", "knot")) return;
  const key = { name: "k", algorithm: "hmac-sha256" as const, secret: randomBytes(32).toString("base64") };
  const text = `$TTL ${TTL}\n@ SOA ns h 1 7200 900 1209600 1\n@ NS ns\nns A 127.0.0.1\n`;
  const port = await startKnot(
    t,
    { [domain]: { text, lines: ["acl: ours"] } },
    `key:\n  - id: k\n    algorithm: ${key.algorithm}\n    secret: ${key.secret}\nacl:\n  - id: ours\n    key: k\n    action: update`,
  );
  const publish = async (keys: Keys) => {
    const records = keys.map(({ selector, algorithm, publicKey }) => {
      const kind = algorithm === "ed25519" ? "ed25519" : "rsa";
      const strings = [`v=DKIM1; k=${kind}; p=`, ...(publicKey.match(/.{1,200}/g) ?? [])];
      return dnsRecord({ type: "TXT", name: `${selector}._domainkey.${domain}`, ttl: TTL, strings });
    });
    const server = { address: "127.0.0.1", port };
    const result = await updateZone({ server, zone: domain, create: records, remove: [], key });
    assert.ok(result.ok, JSON.stringify(result));
  };
  const { ask, context, rotation } = await host(t, port);
  const algorithms: ("rsa-2048" | "ed25519")[] = ["rsa-2048", "ed25519"];
  const put = () => ask("dkim.ring.put", { domain, algorithms, owner });
  const step = async () => (await ask("dkim.rotate", { domain })).lines[0] ?? "";
  const passDue = async () => {
    const ring = JSON.parse(await readFile(rotation, "utf8"));
    await writeFile(rotation, JSON.stringify({ ...ring, due: new Date(Date.now() - 1000).toISOString() }));
  };

  const { keys } = await put();
  assert.deepEqual(names(keys), [
    ...["mk1 current", "mk2 next", "mk3 revoked"],
    ...["mk1-ed current", "mk2-ed next", "mk3-ed revoked"],
  ]);
  assert.deepEqual(await signatures(context, keys), ["mk1 pass", "mk1-ed pass"]);
  assert.match(
    await step(),
    /mk2, mk2-ed is seen in the DNS; mk2\._domainkey\.green\.test has no TXT record/,
  );

  await publish(keys.filter(({ selector }) => selector === "mk2"));
  await sleep(1500);
  assert.match(await step(), /mk2-ed\._domainkey\.green\.test has no TXT record yet/, "half is not enough");
  await publish(keys.filter(({ selector }) => selector === "mk2-ed"));
  await sleep(1500);
  assert.match(await step(), /^green\.test: next phase: mk2, mk2-ed signs, due 20/);
  assert.match(await step(), /next phase: mk2, mk2-ed signs/, "before its time nothing happens");
  await passDue();
  assert.match(await step(), /next phase: revoke mk1, mk1-ed, due 20/);

  const during = (await put()).keys;
  assert.deepEqual(names(during), [
    ...["mk2 current", "mk3 next", "mk1 retired"],
    ...["mk2-ed current", "mk3-ed next", "mk1-ed retired"],
  ]);
  assert.deepEqual(await signatures(context, during), ["mk2 pass", "mk2-ed pass"]);
  const { due } = JSON.parse(await readFile(rotation, "utf8"));
  const days = (Date.parse(due) - Date.now()) / 86_400_000;
  assert.ok(days > 4.9 && days <= 5, "the queue's lifetime");

  assert.deepEqual((await ask("dkim.advance", {})).lines, [], "the server's clock finds nothing due");
  await passDue();
  assert.match(
    (await ask("dkim.advance", {})).lines.join("\n"),
    /no rotation is under way; next key mk3, mk3-ed/,
  );
  const after = (await put()).keys;
  assert.deepEqual(names(after).slice(0, 3), ["mk2 current", "mk3 next", "mk1 revoked"]);
  assert.equal(after[2]?.publicKey, "", "an empty p= (RFC 6376 §3.6.1)");
  const { domains, lines } = await ask("dkim.status", {});
  assert.equal(domains[0]?.phase, "idle");
  assert.match(lines.join("\n"), /^ {2}mk2 \(rsa-2048\) signs$/m);
});

test("a second kind of key is added to a ring, and taken out again, without touching the first", async (t) => {
  const { ask, context } = await host(t, 9);
  const one = await ask("dkim.ring.put", { domain, algorithms: ["rsa-2048"], owner });
  const two = await ask("dkim.ring.put", { domain, algorithms: ["rsa-2048", "ed25519"], owner });
  assert.equal(two.keys[0]?.publicKey, one.keys[0]?.publicKey);
  assert.deepEqual(await signatures(context, two.keys), ["mk1 pass", "mk1-ed pass"]);
  const again = await ask("dkim.ring.put", { domain, algorithms: ["rsa-2048"], owner });
  assert.deepEqual(names(again.keys), ["mk1 current", "mk2 next", "mk3 revoked"]);
  assert.deepEqual(await signatures(context, two.keys), ["mk1 pass"]);
});

test("a rotation file that cannot be read, a domain without keys and one that is not here are named with the way out", async (t) => {
  const { ask, rotation } = await host(t, 9);
  await assert.rejects(
    ask("dkim.rotate", { domain }),
    /green\.test has no DKIM key: declare one in the stack/,
  );
  await assert.rejects(ask("dkim.rotate", { domain: "other.test" }), /other\.test is no domain of this host/);
  await ask("dkim.ring.put", { domain, algorithms: ["ed25519"], owner });
  await writeFile(rotation, "{");
  await assert.rejects(ask("dkim.rotate", { domain }), (error: { code?: string; message: string }) => {
    assert.equal(error.code, "conflict");
    assert.match(error.message, /rotation\.json cannot be understood .*put it right, or move it away/s);
    return true;
  });
  const removed = await rm(rotation).then(() => ask("dkim.ring.remove", { domain, owner }));
  assert.equal(removed.removed, false, "without its file the keys in use stay");
});
