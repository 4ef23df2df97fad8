import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { once } from "node:events";
import net from "node:net";
import { describe, type TestContext, test } from "node:test";
import fc from "fast-check";
import { characterStrings, type DnsRecord, dnsRecord, recordText } from "./records.ts";
import { createResolver } from "./resolver.ts";
import { freePort, hasTool, run, startKnot } from "./test-support.ts";
import { sign, type TsigKey, verify } from "./tsig.ts";
import { updateZone, type ZoneUpdate } from "./update.ts";
import { framed } from "./wire.ts";
import { encodeName, readName } from "./wire-name.ts";

const key: TsigKey = {
  name: "mailkeep",
  algorithm: "hmac-sha256",
  secret: randomBytes(32).toString("base64"),
};
const strong: TsigKey = {
  name: "strong.key",
  algorithm: "hmac-sha512",
  secret: randomBytes(64).toString("base64"),
};
const ZONE =
  '$TTL 300\n@ SOA ns h 1 7200 900 1209600 60\n@ NS ns\nns A 127.0.0.1\n@ TXT "somebody else\'s"\n@ MX 5 theirs.example.net.\n';
const at = { name: "example.test", ttl: 300 };
const RECORDS: readonly DnsRecord[] = [
  { ...at, type: "MX", preference: 10, exchange: "mail.example.test" },
  { ...at, type: "TXT", strings: ["v=spf1 ip4:192.0.2.1 -all"] },
  { ...at, type: "CAA", flags: 0, tag: "issue", value: "ca.example; accounturi=https://a/1" },
  { ...at, name: "mail.example.test", type: "A", address: "192.0.2.1" },
  { ...at, name: "mail.example.test", type: "AAAA", address: "2001:db8::1" },
  {
    ...at,
    name: "k._domainkey.example.test",
    type: "TXT",
    strings: characterStrings(`v=DKIM1; p=${"A".repeat(400)}`),
  },
  {
    ...at,
    name: "_imaps._tcp.example.test",
    type: "SRV",
    priority: 0,
    weight: 1,
    port: 993,
    target: "mail.example.test",
  },
  { ...at, name: "_imap._tcp.example.test", type: "SRV", priority: 0, weight: 0, port: 0, target: "." },
  {
    ...at,
    name: "_25._tcp.mail.example.test",
    type: "TLSA",
    usage: 3,
    selector: 1,
    matchingType: 1,
    certificate: "ab".repeat(32),
  },
  { ...at, name: "mta-sts.example.test", type: "CNAME", target: "mail.example.test" },
].map((record) => dnsRecord(record as DnsRecord));

async function knot(t: TestContext) {
  const keyLines = [key, strong]
    .map(
      ({ name, algorithm, secret }) => `  - id: ${name}\n    algorithm: ${algorithm}\n    secret: ${secret}`,
    )
    .join("\n");
  const acl = "acl:\n  - id: ours\n    key: [mailkeep, strong.key]\n    action: [update, transfer]";
  const port = await startKnot(
    t,
    { "closed.test": { text: ZONE, lines: [] }, "example.test": { text: ZONE, lines: ["acl: ours"] } },
    `key:\n${keyLines}\n${acl}`,
  );
  const server = { address: "127.0.0.1", port };
  const update = (change: Partial<ZoneUpdate>) =>
    updateZone({ server, zone: "example.test", create: [], remove: [], key, ...change });
  /** All records of the zone by a signed transfer, as knot has them. */
  const zone = async () =>
    (
      await run(
        "kdig",
        `@127.0.0.1`,
        "-p",
        String(port),
        "example.test",
        "AXFR",
        "-y",
        `hmac-sha256:mailkeep:${key.secret}`,
        "+noall",
        "+answer",
      )
    )
      .split("\n")
      .filter((line) => !/^;|\sSOA\s|^$/.test(line))
      .map((line) => line.replace(/\s+/g, " "));
  return { port, update, zone };
}

test("knot takes records of every type, keeps what is not ours, and gives them back when removed (RFC 2136)", async (t) => {
  if (!hasTool(t, "knotd", "knot") || !hasTool(t, "kdig", "knot-dnsutils")) return;
  const { port, update, zone } = await knot(t);
  const before = (await zone()).sort();
  assert.equal(before.length, 4);

  assert.deepEqual(await update({ create: RECORDS }), { ok: true });
  assert.equal((await zone()).length, before.length + RECORDS.length);
  const resolver = createResolver({ servers: [`127.0.0.1:${port}`] });
  t.after(() => resolver.close());
  for (const record of RECORDS) {
    const { records } = await resolver.resolve(record.name, record.type);
    assert.ok(
      records.some((each) => recordText(each) === recordText(record)),
      recordText(record),
    );
  }

  assert.deepEqual(await update({ create: RECORDS }), { ok: true }, "twice is the same as once");
  assert.equal((await zone()).length, before.length + RECORDS.length);

  const [mx] = RECORDS;
  const moved = { ...mx, preference: 20 } as DnsRecord;
  assert.deepEqual(await update({ remove: [mx!], create: [moved], key: strong }), { ok: true });
  assert.ok((await zone()).some((line) => line.endsWith("MX 20 mail.example.test.")));

  assert.deepEqual(await update({ remove: [moved, ...RECORDS] }), { ok: true });
  assert.deepEqual((await zone()).sort(), before);
});

test("what knot refuses is told by its kind, with server, key and zone", async (t) => {
  if (!hasTool(t, "knotd", "knot")) return;
  const { update } = await knot(t);
  const create = [RECORDS[0]!];
  const closed = { ...create[0]!, name: "closed.test" };
  const cases: readonly [change: Partial<ZoneUpdate>, code: string][] = [
    [{ create, key: { ...key, secret: randomBytes(32).toString("base64") } }, "key"],
    [{ create, key: { ...key, name: "unknown" } }, "key"],
    [{ create, key: undefined }, "not-zone"],
    [{ create: [closed], zone: "closed.test" }, "key"],
    [{ create: [{ ...closed, name: "foreign.test" }], zone: "foreign.test" }, "not-zone"],
    [{ create: [closed] }, "not-zone"],
    [
      {
        create: Array.from({ length: 300 }, () => ({
          ...at,
          type: "TXT" as const,
          strings: ["x".repeat(255)],
        })),
      },
      "too-large",
    ],
  ];
  for (const [change, code] of cases) {
    const result = await update(change);
    assert.ok(!result.ok && result.code === code, `${code}: ${JSON.stringify(result)}`);
    assert.match(result.message, /test/);
  }
});

describe("an answer that is not the server's", () => {
  const create = [RECORDS[0]!];
  async function answering(t: TestContext, answer: (request: Buffer) => Buffer) {
    const listener = net.createServer((socket) => {
      socket.on("error", () => {});
      socket.once("data", (chunk: Buffer) => socket.end(answer(chunk.subarray(2))));
    });
    listener.listen(0, "127.0.0.1");
    await once(listener, "listening");
    t.after(async () => void listener.close());
    const { port } = listener.address() as net.AddressInfo;
    return updateZone({
      server: { address: "127.0.0.1", port },
      zone: "example.test",
      create,
      remove: [],
      key,
      timeoutMs: 500,
    });
  }
  const accepted = (request: Buffer) => {
    const octets = Buffer.from(request.subarray(0, 12));
    octets.writeUInt16BE(0x8000 | (5 << 11), 2);
    octets.fill(0, 4);
    return octets;
  };
  const cases: readonly [what: string, answer: (request: Buffer) => Buffer, code: string][] = [
    ["without a signature is not believed", (request) => framed(accepted(request)), "forged"],
    [
      "signed without the request's MAC is not believed (RFC 8945 §5.3)",
      (request) => framed(sign(accepted(request), key, Date.now() / 1000).octets),
      "key",
    ],
    [
      "to another question is not believed",
      (request) => framed(Buffer.concat([Buffer.from([request[0]! ^ 1]), accepted(request).subarray(1)])),
      "forged",
    ],
    ["that ends early is no answer", () => Buffer.from([0]), "unreachable"],
    ["of rubbish is no answer", () => framed(Buffer.from("rubbish")), "forged"],
  ];
  for (const [what, answer, code] of cases)
    test(what, async (t) => {
      const result = await answering(t, answer);
      assert.ok(!result.ok && result.code === code, JSON.stringify(result));
    });

  test("a server that is not there is named", async () => {
    const port = await freePort();
    const result = await updateZone({
      server: { address: "127.0.0.1", port },
      zone: "example.test",
      create,
      remove: [],
      timeoutMs: 500,
    });
    assert.ok(!result.ok && result.code === "unreachable" && result.message.includes(String(port)));
  });

  test("no octets make the check of a signature throw", () => {
    const { octets, mac } = sign(accepted(Buffer.alloc(12)), key, 1000);
    const change = fc.record({ at: fc.nat({ max: octets.length - 1 }), value: fc.nat({ max: 255 }) });
    fc.assert(
      fc.property(
        fc.array(change, { maxLength: 6 }),
        fc.nat({ max: octets.length }),
        fc.uint8Array({ maxLength: 64 }),
        (changes, cut, random) => {
          const mutated = Buffer.from(octets);
          for (const { at: place, value } of changes) mutated[place] = value;
          for (const each of [mutated, mutated.subarray(0, cut), Buffer.from(random)])
            assert.notEqual(verify(each, key, mac, 1000), "good");
        },
      ),
      { numRuns: 3000 },
    );
  });
});

test("names on the wire come back, and pointers that lead nowhere end (RFC 1035 §4.1.4)", () => {
  for (const name of [".", "example.test", "_25._tcp.mail.example.test"])
    assert.deepEqual(readName(Buffer.concat([Buffer.from("xx"), encodeName(name)]), 2), {
      name,
      end: 2 + encodeName(name).length,
    });
  assert.deepEqual(readName(Buffer.from("0161000162c000", "hex"), 3), { name: "b.a", end: 7 });
  for (const bad of ["c000", "c002", "40", "0561", "0161c000"])
    assert.throws(() => readName(Buffer.from(bad, "hex"), 0), RangeError);
});
