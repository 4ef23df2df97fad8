/** A stack's records in zones of real name servers, knot and BIND, which other people use too. */
import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { describe, type TestContext, test } from "node:test";
import { changeZone, clearZone, type DynamicZone, DynamicZoneError, readZone } from "./dynamic-zone.ts";
import { recordsIn } from "./record-sets.ts";
import { type DnsRecord, recordText } from "./records.ts";
import { hasTool, run, startBind, startKnot } from "./test-support.ts";
import type { TsigKey } from "./tsig.ts";
import { updateZone } from "./update.ts";

const key: TsigKey = {
  name: "mailkeep",
  algorithm: "hmac-sha256",
  secret: randomBytes(32).toString("base64"),
};
const ORIGIN = "example.test";
/** What others have there: a site's proof beside our SPF, a CAA, an MX of another name. */
const ZONE = `$TTL 600
@ SOA ns.${ORIGIN}. h.${ORIGIN}. 1 7200 900 1209600 60
@ NS ns.${ORIGIN}.
ns A 127.0.0.1
@ TXT "site-verification=1"
@ CAA 0 issue "other.example"
lists MX 5 lists.example.net.
`;
const wanted = recordsIn({
  "example.test MX": ["3600 10 mail.example.test."],
  "example.test TXT": ['3600 "v=spf1 ip4:192.0.2.1 -all"'],
  "example.test CAA": ['3600 0 issue "letsencrypt.org"'],
  "mail.example.test A": ["3600 192.0.2.1"],
  "_dmarc.example.test TXT": ['3600 "v=DMARC1; p=none"'],
  "mk1._domainkey.example.test TXT": [`3600 "v=DKIM1; p=${"A".repeat(200)}" "${"B".repeat(200)}"`],
  "_imaps._tcp.example.test SRV": ["3600 0 1 993 mail.example.test."],
  "_25._tcp.mail.example.test TLSA": [`3600 3 1 1 ${"ab".repeat(32)}`],
});

type Start = (t: TestContext) => Promise<number>;
const servers: readonly (readonly [name: string, tool: string, debianPackage: string, start: Start])[] = [
  [
    "knot",
    "knotd",
    "knot",
    (t) =>
      startKnot(
        t,
        { [ORIGIN]: { text: ZONE, lines: ["acl: ours"] } },
        `key:\n  - id: ${key.name}\n    algorithm: ${key.algorithm}\n    secret: ${key.secret}\nacl:\n  - id: ours\n    key: ${key.name}\n    action: [update, transfer]`,
      ),
  ],
  [
    "BIND",
    "named",
    "bind9",
    (t) =>
      startBind(
        t,
        {
          [ORIGIN]: {
            text: ZONE,
            statements: `allow-update { key ${key.name}; }; allow-transfer { key ${key.name}; };`,
          },
        },
        `key ${key.name} { algorithm ${key.algorithm}; secret "${key.secret}"; };`,
      ),
  ],
];

for (const [name, tool, debianPackage, start] of servers)
  describe(`a zone of ${name} (RFC 2136)`, () => {
    async function zoneIn(t: TestContext) {
      if (!hasTool(t, tool, debianPackage) || !hasTool(t, "dig", "bind9-dnsutils")) return undefined;
      const port = await start(t);
      const zone: DynamicZone = {
        server: { address: "127.0.0.1", port },
        zone: ORIGIN,
        key,
        signal: AbortSignal.timeout(60_000),
      };
      /** All records by a signed transfer, without what the server itself adds. */
      const transfer = async () => {
        const lines = await run(
          "dig",
          ...["@127.0.0.1", "-p", String(port), ORIGIN, "AXFR", "+noall", "+answer", "+onesoa"],
          ...["-y", `hmac-sha256:${key.name}:${key.secret}`],
        );
        return lines
          .split("\n")
          .filter((line) => line !== "" && !/\sSOA\s/.test(line))
          .map((line) => line.replace(/\s+/g, " "))
          .sort();
      };
      /** As somebody else with an editor would. */
      const edit = async (create: DnsRecord[], remove: DnsRecord[]) =>
        assert.deepEqual(await updateZone({ server: zone.server, zone: ORIGIN, key, create, remove }), {
          ok: true,
        });
      return { zone, transfer, edit };
    }
    const change = (previous: readonly DnsRecord[], next = wanted, adopt: string[] = []) => ({
      wanted: next,
      previous,
      adopt,
    });

    test("the stack's records come, change and go, and what is others' stays", async (t) => {
      const found = await zoneIn(t);
      if (found === undefined) return;
      const { zone, transfer } = found;
      const before = await transfer();
      assert.equal(await changeZone(zone, change([])), wanted.length);
      assert.equal((await transfer()).length, before.length + wanted.length);
      assert.deepEqual((await readZone(zone, wanted)).map(recordText).sort(), wanted.map(recordText).sort());

      assert.equal(await changeZone(zone, change(wanted)), 0, "what is there is not sent again");
      assert.equal(
        await changeZone(zone, change([])),
        0,
        "nor after a run that was interrupted before it was noted",
      );

      const moved = recordsIn({
        "mail.example.test A": ["3600 192.0.2.2", "3600 192.0.2.3"],
        "example.test MX": ["300 20 mail.example.test."],
      });
      const next = [...wanted.filter(({ type }) => type !== "A" && type !== "MX"), ...moved];
      await changeZone(zone, change(wanted, next));
      const after = await transfer();
      assert.ok(
        after.some((line) => line === "example.test. 300 IN MX 20 mail.example.test."),
        after.join("\n"),
      );
      assert.ok(!after.some((line) => line.endsWith(" 192.0.2.1")), after.join("\n"));

      await clearZone(zone, next);
      assert.deepEqual(await transfer(), before);
      assert.equal(await clearZone(zone, next), 0);
    });

    test("a record of others that ours would contradict stops everything, with the merge", async (t) => {
      const found = await zoneIn(t);
      if (found === undefined) return;
      const { zone, transfer, edit } = found;
      const theirs = recordsIn({
        "example.test TXT": ['600 "v=spf1 include:_spf.other.example ~all"'],
        "example.test MX": ["600 5 theirs.example.net."],
      });
      await edit(theirs, []);
      const before = await transfer();
      await assert.rejects(changeZone(zone, change([])), (error) => {
        assert.ok(error instanceof DynamicZoneError && error.code === "conflict");
        assert.match(error.message, /example\.test MX 5 theirs\.example\.net\./);
        assert.match(error.message, /spf\.existing .*"v=spf1 include:_spf\.other\.example ~all"/);
        assert.match(error.message, /"example\.test MX" into dns\.adopt/);
        return true;
      });
      assert.deepEqual(await transfer(), before);

      await changeZone(zone, change([], wanted, ["example.test MX", "example.test TXT"]));
      const after = await transfer();
      assert.ok(!after.some((line) => /theirs\.example\.net|_spf\.other/.test(line)), after.join("\n"));
      assert.ok(
        after.some((line) => /site-verification/.test(line)),
        "the site's proof is no SPF and stays",
      );
    });

    test("what somebody edited or removed by hand is seen, and mended by the next change", async (t) => {
      const found = await zoneIn(t);
      if (found === undefined) return;
      const { zone, edit } = found;
      await changeZone(zone, change([]));
      const [mx, , , a] = wanted;
      const edited = { ...mx, preference: 99 } as DnsRecord;
      await edit([edited], [mx!, a!]);
      const seen = await readZone(zone, wanted);
      assert.ok(seen.some((record) => record.type === "MX" && record.preference === 99));
      assert.ok(!seen.some(({ type }) => type === "A"));
      await changeZone(zone, change(seen));
      assert.deepEqual((await readZone(zone, wanted)).map(recordText).sort(), wanted.map(recordText).sort());
    });

    test("a record set that changed since it was read makes the server refuse the update (§2.4)", async (t) => {
      const found = await zoneIn(t);
      if (found === undefined) return;
      const { zone, transfer, edit } = found;
      const [mx, , , a] = wanted;
      // BIND refuses an MX whose host has no address.
      await edit([a!], []);
      const set = { name: mx!.name, type: mx!.type, records: [] };
      const update = { server: zone.server, zone: ORIGIN, key, create: [mx!], remove: [], only: [set] };
      assert.deepEqual(await updateZone(update), { ok: true });
      const before = await transfer();
      const again = await updateZone(update);
      assert.ok(!again.ok && again.code === "changed", JSON.stringify(again));
      const exact = {
        ...update,
        create: [],
        remove: [mx!],
        only: [{ ...set, records: [{ ...mx, preference: 11 } as DnsRecord] }],
      };
      const other = await updateZone(exact);
      assert.ok(!other.ok && other.code === "changed", JSON.stringify(other));
      assert.deepEqual(await transfer(), before);
      // Two stacks at the same moment: one of them reads again, and both end well.
      await edit([], [mx!]);
      const halves = [wanted.slice(0, 4), wanted.slice(4)];
      await Promise.all(halves.map((half) => changeZone(zone, change([], half))));
      assert.equal((await readZone(zone, wanted)).length, wanted.length);
    });

    test("a key the server does not take and a zone it does not have are told, and no secret is", async (t) => {
      const found = await zoneIn(t);
      if (found === undefined) return;
      const { zone } = found;
      const cases: readonly [Partial<DynamicZone>, RegExp][] = [
        [{ key: { ...key, secret: randomBytes(32).toString("base64") } }, /^key$/],
        [{ key: { ...key, name: "unknown" } }, /^key$/],
        [{ zone: "other.test" }, /^(refused|not-zone|server)$/],
        [{ server: { address: "127.0.0.1", port: 1 } }, /^unreachable$/],
      ];
      for (const [part, code] of cases) {
        const other = { ...zone, ...part };
        const records = recordsIn({ [`${other.zone} MX`]: ["300 10 mail.example.test."] });
        await assert.rejects(changeZone(other, change([], records)), (error) => {
          assert.ok(error instanceof DynamicZoneError);
          assert.match(error.code, code, error.message);
          assert.ok(!error.message.includes(other.key!.secret));
          return true;
        });
      }
    });
  });
