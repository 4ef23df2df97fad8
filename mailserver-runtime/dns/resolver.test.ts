import assert from "node:assert/strict";
import dgram from "node:dgram";
import { once } from "node:events";
import net from "node:net";
import { afterEach, describe, type TestContext, test } from "node:test";
import * as packet from "dns-packet";
import fc from "fast-check";
import { silentLog } from "../net/log.ts";
import { readAnswer } from "./answer.ts";
import { AnswerCache } from "./answer-cache.ts";
import {
  type Answer,
  addresses,
  createResolver,
  InvalidServer,
  iprev,
  mxHosts,
  type Resolver,
  type StubResolver,
  type StubResolverOptions,
  serverAddress,
  toMailauthResolver,
} from "./resolver.ts";
import { startNameServer } from "./server.ts";
import { resolvConfServers } from "./stub-resolver.ts";
import { directoryWith, freePort } from "./test-support.ts";
import { decodeMessage } from "./wire.ts";

const open: StubResolver[] = [];
afterEach(() => {
  for (const resolver of open.splice(0)) resolver.close();
});
function resolverFor(ports: readonly number[], options: StubResolverOptions = {}): StubResolver {
  const resolver = createResolver({
    servers: ports.map((port) => `127.0.0.1:${port}`),
    timeoutMs: 150,
    ...options,
  });
  open.push(resolver);
  return resolver;
}

const ZONES = {
  "example.com.zone": `$TTL 300
@ SOA ns hostmaster 7 7200 900 1209600 60
@ NS ns
@ MX 20 b.mx
@ MX 10 a1.mx
@ MX 10 a2.mx
@ MX 10 a3.mx
@ TXT "v=spf1 " "-all"
@ CAA 128 issue "ca.example"
ns A 127.0.0.1
a1.mx A 192.0.2.1
a1.mx AAAA 2001:db8::1
only6 AAAA 2001:db8::6
none MX 0 .
odd MX 0 .
odd MX 5 a1.mx
alias CNAME a1.mx
mailalias CNAME @
lost CNAME gone
big TXT ${Array.from({ length: 12 }, (_, index) => `"${String.fromCharCode(97 + index).repeat(250)}"`).join(" ")}
_imaps._tcp SRV 0 1 993 a1.mx
_25._tcp.a1.mx TLSA 3 1 1 ${"ab".repeat(32)}
c1 CNAME c2
c2 CNAME c3
c3 CNAME c1
l1 CNAME l2
${Array.from({ length: 12 }, (_, index) => `l${index + 2} CNAME l${index + 3}`).join("\n")}
liar A 192.0.2.66
`,
  "2.0.192.in-addr.arpa.zone":
    "$TTL 60\n@ SOA ns.example.com. h.example.com. 1 1 1 1 60\n@ NS ns.example.com.\n1 PTR liar.example.com.\n1 PTR a1.mx.example.com.\n66 PTR a1.mx.example.com.\n",
};

async function local(t: TestContext) {
  const zoneDirectory = await directoryWith(t, ZONES);
  const server = await startNameServer({ address: "127.0.0.1", port: 0, zoneDirectory, log: silentLog });
  t.after(() => server.close());
  return resolverFor([server.port]);
}

type Reply = (query: packet.DecodedPacket, octets: Buffer) => Buffer | Buffer[] | undefined;
/** A name server that answers as it is told, and counts questions. */
async function scripted(t: TestContext, reply: Reply, tcp?: (query: Buffer) => Buffer) {
  const port = await freePort();
  const udp = dgram.createSocket("udp4").bind(port, "127.0.0.1");
  await once(udp, "listening");
  const server = { port, asked: 0 };
  udp.on("message", (octets, from) => {
    server.asked++;
    const answer = reply(packet.decode(octets), octets);
    for (const each of [answer ?? []].flat()) udp.send(each, from.port, from.address);
  });
  t.after(async () => void udp.close());
  if (tcp !== undefined) {
    const listener = net.createServer((socket) => {
      socket.on("error", () => {});
      socket.once("data", (chunk) => socket.end(tcp(chunk.subarray(2))));
    });
    listener.listen(port, "127.0.0.1");
    await once(listener, "listening");
    t.after(async () => void listener.close());
  }
  return server;
}
/** The answer to a query with these records; `change` may spoil it. */
function answerTo(
  query: packet.DecodedPacket,
  answers: packet.Answer[],
  change: Partial<packet.Packet> = {},
): Buffer {
  return packet.encode({
    type: "response",
    id: query.id,
    flags: packet.RECURSION_DESIRED | packet.RECURSION_AVAILABLE,
    questions: query.questions,
    answers,
    ...change,
  });
}
const A = (name: string, data = "192.0.2.1", ttl = 300): packet.Answer => ({ type: "A", name, ttl, data });

describe("against the loopback name server", () => {
  test("every type comes back as a record, and the ttl with it", async (t) => {
    const resolver = await local(t);
    const text = async (name: string, type: "TXT" | "CAA" | "SRV" | "TLSA" | "SOA" | "NS") =>
      (await resolver.resolve(name, type)).records[0];
    const at = (name: string) => ({ name, ttl: 300 });
    assert.deepEqual(await text("Example.COM.", "TXT"), {
      type: "TXT",
      ...at("example.com"),
      strings: ["v=spf1 ", "-all"],
    });
    assert.deepEqual(await text("example.com", "CAA"), {
      type: "CAA",
      ...at("example.com"),
      flags: 128,
      tag: "issue",
      value: "ca.example",
    });
    assert.deepEqual(await text("_imaps._tcp.example.com", "SRV"), {
      type: "SRV",
      ...at("_imaps._tcp.example.com"),
      priority: 0,
      weight: 1,
      port: 993,
      target: "a1.mx.example.com",
    });
    assert.deepEqual(await text("_25._tcp.a1.mx.example.com", "TLSA"), {
      type: "TLSA",
      ...at("_25._tcp.a1.mx.example.com"),
      usage: 3,
      selector: 1,
      matchingType: 1,
      certificate: "ab".repeat(32),
    });
    assert.deepEqual(await text("example.com", "NS"), {
      type: "NS",
      ...at("example.com"),
      target: "ns.example.com",
    });
    assert.equal((await text("example.com", "SOA"))?.type, "SOA");
  });

  test("an answer too long for UDP is fetched over TCP (RFC 7766 §5)", async (t) => {
    const { records } = await (await local(t)).resolve("big.example.com", "TXT");
    assert.equal(records[0]?.strings.join("").length, 3000);
  });

  const outcomes: readonly [name: string, status: string, more: Partial<Answer>][] = [
    ["gone.example.com", "nxdomain", { ttl: 60 }],
    ["lost.example.com", "nxdomain", { ttl: 60, cname: "gone.example.com" }],
    ["only6.example.com", "nodata", { ttl: 60 }],
    ["mx.example.com", "nodata", { ttl: 60 }],
    ["alias.example.com", "ok", { ttl: 300, cname: "a1.mx.example.com" }],
    ["c1.example.com", "tempfail", {}],
    ["l1.example.com", "tempfail", {}],
    ["foreign.test", "tempfail", {}],
    ["not..a.name", "nxdomain", { ttl: 0 }],
    [`${"a".repeat(64)}.example.com`, "nxdomain", { ttl: 0 }],
  ];
  for (const [name, status, more] of outcomes)
    test(`${name} A is ${status}`, async (t) => {
      const answer = await (await local(t)).resolve(name, "A");
      assert.equal(answer.status, status);
      assert.deepEqual({ ...answer, ...more }, answer);
      assert.equal(answer.records.length > 0, status === "ok");
      if (status === "tempfail") assert.ok(answer.reason?.includes(name));
    });
});

describe("what mail asks", () => {
  test("exchangers come by preference, equal ones in every order (RFC 5321 §5.1)", async (t) => {
    const resolver = await local(t);
    const orders = new Set<string>();
    for (let round = 0; round < 60; round++) {
      const { status, hosts, implicit } = await mxHosts(resolver, "example.com");
      assert.deepEqual([status, implicit, hosts.at(-1)?.host], ["ok", false, "b.mx.example.com"]);
      orders.add(
        hosts
          .slice(0, 3)
          .map(({ host }) => host[1])
          .join(""),
      );
    }
    assert.equal(orders.size, 6);
  });

  const cases: readonly [domain: string, expected: object][] = [
    [
      "a1.mx.example.com",
      { status: "ok", implicit: true, hosts: [{ host: "a1.mx.example.com", preference: 0 }] },
    ],
    ["none.example.com", { status: "null-mx", implicit: false, hosts: [] }],
    [
      "odd.example.com",
      { status: "ok", implicit: false, hosts: [{ host: "a1.mx.example.com", preference: 5 }] },
    ],
    ["gone.example.com", { status: "nxdomain", implicit: false, hosts: [] }],
    ["foreign.test", { status: "tempfail", implicit: false, hosts: [] }],
  ];
  for (const [domain, expected] of cases)
    test(`${domain}: ${JSON.stringify(expected)} (RFC 5321 §5.1, RFC 7505)`, async (t) => {
      const { status, implicit, hosts } = await mxHosts(await local(t), domain);
      assert.deepEqual({ status, implicit, hosts }, expected);
    });

  test("a domain that is an alias has the exchangers of its canonical name", async (t) => {
    assert.equal((await mxHosts(await local(t), "mailalias.example.com")).hosts.length, 4);
  });

  test("a host's addresses are of both families; one family that cannot be asked does not hide the other", async (t) => {
    const resolver = await local(t);
    const found = await addresses(resolver, "alias.example.com");
    assert.deepEqual(found.addresses, [
      { address: "2001:db8::1", family: 6 },
      { address: "192.0.2.1", family: 4 },
    ]);
    assert.equal(found.cname, "a1.mx.example.com");
    assert.equal((await addresses(resolver, "only6.example.com")).status, "ok");
    assert.equal((await addresses(resolver, "mx.example.com")).status, "nodata");
    assert.equal((await addresses(resolver, "gone.example.com")).status, "nxdomain");
    const half: Resolver = {
      resolve: (name, type, options) =>
        type === "AAAA"
          ? resolver.resolve("foreign.test", type, options)
          : resolver.resolve(name, type, options),
    };
    assert.equal((await addresses(half, "a1.mx.example.com")).status, "ok");
    assert.equal((await addresses(half, "gone.example.com")).status, "tempfail");
  });

  test("an address's name counts when that name leads back to it (RFC 8601 §3)", async (t) => {
    const resolver = await local(t);
    const names = ["a1.mx.example.com", "liar.example.com"];
    const good = await iprev(resolver, "192.0.2.1");
    assert.deepEqual(
      { ...good, names: [...good.names].sort() },
      { status: "pass", name: "a1.mx.example.com", names },
    );
    assert.equal((await iprev(resolver, "192.0.2.66")).status, "fail");
    assert.equal((await iprev(resolver, "192.0.2.9")).status, "permerror");
    assert.equal((await iprev(resolver, "198.51.100.1")).status, "temperror");
    assert.equal((await iprev(resolver, "no address")).status, "permerror");
  });
});

describe("as mailauth asks", () => {
  test("shapes and codes are those of dns.promises.resolve", async (t) => {
    const resolve = toMailauthResolver(await local(t));
    assert.deepEqual(await resolve("example.com", "TXT"), [["v=spf1 ", "-all"]]);
    assert.deepEqual(await resolve("a1.mx.example.com"), ["192.0.2.1"]);
    assert.deepEqual(await resolve("none.example.com", "MX"), [{ exchange: "", priority: 0 }]);
    assert.deepEqual(await resolve("example.com", "CAA"), [{ critical: 128, issue: "ca.example" }]);
    const codes: readonly [name: string, type: string, code: string][] = [
      ["gone.example.com", "TXT", "ENOTFOUND"],
      ["mx.example.com", "TXT", "ENODATA"],
      ["foreign.test", "TXT", "ESERVFAIL"],
      [`${"a".repeat(64)}.example`, "TXT", "EBADNAME"],
      ["example.com", "WKS", "EBADQUERY"],
    ];
    for (const [name, type, code] of codes) await assert.rejects(resolve(name, type), { code });
  });

  test("mailauth's own SPF check passes and fails by the zone (RFC 7208)", async (t) => {
    const { spf } = await import("mailauth/lib/spf/index.js" as string);
    const zoneDirectory = await directoryWith(t, {
      "s.example.zone":
        '@ SOA ns h 1 1 1 1 1\n@ NS ns\nns A 127.0.0.1\n@ TXT "v=spf1 include:i.s.example mx " "-all"\ni TXT "v=spf1 ip4:192.0.2.7 -all"\n@ MX 1 m\nm A 192.0.2.8\n',
    });
    const server = await startNameServer({ address: "127.0.0.1", port: 0, zoneDirectory, log: silentLog });
    t.after(() => server.close());
    const resolver = toMailauthResolver(resolverFor([server.port]));
    const check = async (ip: string, sender: string) =>
      (await spf({ ip, helo: "h.example", sender, mta: "t", resolver })).status.result;
    assert.equal(await check("192.0.2.7", "a@s.example"), "pass");
    assert.equal(await check("192.0.2.8", "a@s.example"), "pass");
    assert.equal(await check("192.0.2.9", "a@s.example"), "fail");
    assert.equal(await check("192.0.2.9", "a@gone.s.example"), "none");
    assert.equal(await check("192.0.2.9", "a@foreign.test"), "temperror");
  });
});

describe("names a sender has made", () => {
  test("any octet may stand in a label that is asked for (RFC 2181 §11), as SPF's %{l} gives them (RFC 7208 §7.3)", async (t) => {
    const server = await scripted(t, (query) => answerTo(query, [A(query.questions![0]!.name)]));
    const resolver = resolverFor([server.port]);
    for (const name of [
      "me=you.x.test",
      "a%b|c:d.x.test",
      "A!$&'*;@B.x.test",
      'o "k\\.x.test',
      "\x01.x.test",
    ]) {
      const { status, records } = await resolver.resolve(name, "A");
      assert.deepEqual([status, records[0]?.name], ["ok", name.toLowerCase()]);
    }
    assert.equal(server.asked, 5);
  });
  test("a label of no length, or too long, has no record and is not asked for (RFC 1035 §2.3.4)", async (t) => {
    const server = await scripted(t, (query) => answerTo(query, [A(query.questions![0]!.name)]));
    const resolver = resolverFor([server.port]);
    for (const name of ["a=b..x.test", ".a=b.test", `${"=".repeat(64)}.test`, `${"=.".repeat(126)}test`]) {
      assert.equal((await resolver.resolve(name, "A")).status, "nxdomain");
    }
    assert.equal(server.asked, 0);
  });
});

describe("servers that fail", () => {
  test("the next server is asked, and the dead one goes to the end of the line", async (t) => {
    const dead = await scripted(t, () => undefined);
    const broken = await scripted(t, (query) => answerTo(query, [], { flags: 2 }));
    const good = await scripted(t, (query) => answerTo(query, [A(query.questions![0]!.name)]));
    const resolver = resolverFor([dead.port, broken.port, good.port]);
    assert.equal((await resolver.resolve("x.test", "A")).status, "ok");
    assert.deepEqual([dead.asked, broken.asked, good.asked], [1, 1, 1]);
    assert.equal((await resolver.resolve("y.test", "A")).status, "ok");
    assert.deepEqual([dead.asked, good.asked], [1, 2]);
  });

  test("with no server left the reason says what each one did, within the deadline", async (t) => {
    const dead = await scripted(t, () => undefined);
    const broken = await scripted(t, (query) => answerTo(query, [], { flags: 2 }));
    const closed = await freePort();
    const resolver = resolverFor([dead.port, broken.port, closed], { deadlineMs: 1000 });
    const { status, reason = "" } = await resolver.resolve("x.test", "A");
    assert.equal(status, "tempfail");
    for (const part of [
      `${dead.port}: no answer within 150 ms`,
      `${broken.port}: the server answered SERVFAIL`,
      `${closed}: `,
    ])
      assert.ok(reason.includes(part), reason);
    assert.deepEqual([dead.asked, broken.asked], [2, 2]);
  });

  test("a server that cannot be reached at all is one more failure, not an exception", async () => {
    const servers = ["[2001:db8::53]:53", "255.255.255.255:53"];
    const resolver = createResolver({ servers, timeoutMs: 100 });
    open.push(resolver);
    const { status, reason = "" } = await resolver.resolve("x.test", "A");
    assert.equal(status, "tempfail");
    for (const server of servers) assert.ok(reason.includes(server), reason);
  });

  test("a lost packet is made up for by the second round", async (t) => {
    const server = await scripted(t, (query) =>
      server.asked === 1 ? undefined : answerTo(query, [A("x.test")]),
    );
    assert.equal((await resolverFor([server.port]).resolve("x.test", "A")).status, "ok");
  });

  test("a server that does not know EDNS is asked without (RFC 6891 §7)", async (t) => {
    const server = await scripted(t, (query, octets) =>
      query.additionals!.length > 0
        ? Buffer.concat([octets.subarray(0, 2), Buffer.from("81010000000000000000", "hex")])
        : answerTo(query, [A("x.test")]),
    );
    assert.equal((await resolverFor([server.port]).resolve("x.test", "A")).status, "ok");
    assert.equal(server.asked, 2);
  });

  test("an aborted caller gets tempfail at once; others that share the question still get the answer", async (t) => {
    const server = await scripted(t, (query) =>
      server.asked === 1 ? undefined : answerTo(query, [A("x.test")]),
    );
    const resolver = resolverFor([server.port]);
    const controller = new AbortController();
    const aborted = resolver.resolve("x.test", "A", { signal: controller.signal });
    const patient = resolver.resolve("x.test", "A");
    controller.abort();
    assert.deepEqual([(await aborted).status, (await aborted).reason], ["tempfail", "given up"]);
    assert.equal((await patient).status, "ok");
    assert.equal(server.asked, 2);
  });

  test("a closed resolver answers tempfail at once", async (t) => {
    const dead = await scripted(t, () => undefined);
    const resolver = resolverFor([dead.port], { timeoutMs: 5000 });
    const pending = resolver.resolve("x.test", "A");
    setTimeout(() => resolver.close(), 20);
    assert.equal((await pending).status, "tempfail");
    assert.equal((await resolver.resolve("y.test", "A")).status, "tempfail");
  });
});

describe("forged and hostile answers (RFC 5452)", () => {
  test("wrong id, wrong question, queries and rubbish are passed over; the right answer behind them counts", async (t) => {
    const server = await scripted(t, (query, octets) => [
      answerTo({ ...query, id: query.id! ^ 1 }, [A("x.test", "192.0.2.66")]),
      answerTo(query, [A("x.test", "192.0.2.66")], { questions: [{ type: "A", name: "y.test" }] }),
      answerTo(query, [A("x.test", "192.0.2.66")], { questions: [{ type: "AAAA", name: "x.test" }] }),
      octets,
      Buffer.from("rubbish"),
      answerTo(query, [A("x.test", "192.0.2.1")]),
    ]);
    const { records } = await resolverFor([server.port]).resolve("x.test", "A");
    assert.deepEqual(
      records.map(({ address }) => address),
      ["192.0.2.1"],
    );
  });

  test("records of other names beside the answer are not believed", async (t) => {
    const server = await scripted(t, (query) =>
      query.questions![0]!.name === "x.test"
        ? answerTo(query, [A("bank.test", "192.0.2.66"), A("x.test")])
        : answerTo(query, [A("bank.test", "192.0.2.2")]),
    );
    const resolver = resolverFor([server.port]);
    assert.equal((await resolver.resolve("x.test", "A")).records.length, 1);
    assert.deepEqual(
      (await resolver.resolve("bank.test", "A")).records.map(({ address }) => address),
      ["192.0.2.2"],
    );
  });

  test("a stream of forgeries ends the exchange before the time limit", async (t) => {
    const server = await scripted(t, (query) =>
      Array.from({ length: 200 }, () => answerTo({ ...query, id: query.id! ^ 1 }, [])),
    );
    const { status, reason } = await resolverFor([server.port], { timeoutMs: 5000 }).resolve("x.test", "A");
    assert.equal(status, "tempfail");
    assert.match(reason ?? "", /too many packets/);
  });

  test("an alias told without its target is followed by asking again, and for eight steps only", async (t) => {
    const server = await scripted(t, (query) => {
      const { name } = query.questions![0]!;
      if (name === "end.test") return answerTo(query, [A("end.test")]);
      if (name === "start.test") return answerTo(query, [{ type: "CNAME", name, ttl: 5, data: "end.test" }]);
      return answerTo(query, [{ type: "CNAME", name, ttl: 5, data: `x${name}` }]);
    });
    const resolver = resolverFor([server.port]);
    const { status, ttl, cname } = await resolver.resolve("start.test", "A");
    assert.deepEqual([status, ttl, cname], ["ok", 5, "end.test"]);
    const endless = await resolver.resolve("loop.test", "A");
    assert.equal(endless.status, "tempfail");
    assert.match(endless.reason ?? "", /more than 8 aliases/);
    assert.ok(server.asked <= 12, String(server.asked));
  });

  test("TCP that closes early, sends rubbish or another's answer is a failure, not a hang", async (t) => {
    const cut = (query: packet.DecodedPacket) => answerTo(query, [], { flags: packet.TRUNCATED_RESPONSE });
    const replies: readonly ((query: Buffer) => Buffer)[] = [
      () => Buffer.alloc(0),
      () => Buffer.from("0000", "hex"),
      () => Buffer.from("000401020304", "hex"),
      () => Buffer.from("ffff0102", "hex"),
      () => packet.streamEncode({ type: "response", id: 1, questions: [{ type: "A", name: "other.test" }] }),
    ];
    for (const reply of replies) {
      const server = await scripted(t, cut, reply);
      assert.equal((await resolverFor([server.port]).resolve("x.test", "A")).status, "tempfail");
    }
  });

  test("ten thousand mutated answers are read or dropped, never thrown", () => {
    const whole = packet.encode({
      type: "response",
      id: 7,
      questions: [{ type: "TXT", name: "x.example.com" }],
      answers: [
        { type: "CNAME", name: "x.example.com", ttl: 1, data: "y.example.com" },
        { type: "TXT", name: "y.example.com", ttl: 1, data: ["one", "two"] },
        { type: "MX", name: "y.example.com", ttl: 1, data: { preference: 1, exchange: "z" } },
        { type: "SRV", name: "y.example.com", ttl: 1, data: { port: 1, target: "z" } },
        {
          type: "TLSA",
          name: "y.example.com",
          ttl: 1,
          data: { usage: 3, selector: 1, matchingType: 1, certificate: Buffer.alloc(32) },
        },
        { type: "CAA", name: "y.example.com", ttl: 1, data: { flags: 0, tag: "issue", value: "x" } },
        { type: "AAAA", name: "y.example.com", ttl: 1, data: "::1" },
      ],
      authorities: [
        { type: "SOA", name: "example.com", ttl: 1, data: { mname: "a", rname: "b", serial: 1 } },
      ],
      additionals: [
        {
          type: "OPT",
          name: ".",
          udpPayloadSize: 1,
          extendedRcode: 0,
          ednsVersion: 0,
          flags: 0,
          flag_do: false,
          options: [{ code: 12, length: 8 }],
        },
      ],
    });
    let read = 0;
    const change = fc.record({ at: fc.nat({ max: whole.length - 1 }), value: fc.nat({ max: 255 }) });
    fc.assert(
      fc.property(
        fc.array(change, { minLength: 1, maxLength: 8 }),
        fc.integer({ min: 0, max: whole.length }),
        fc.boolean(),
        (changes, cut, cutting) => {
          const octets = Buffer.from(whole);
          for (const { at, value } of changes) octets[at] = value;
          const message = decodeMessage(cutting ? octets.subarray(0, cut) : octets);
          if (message === undefined) return;
          read++;
          const { status, ttl } = readAnswer(message, "x.example.com", "TXT");
          assert.ok(
            ["ok", "nodata", "nxdomain", "tempfail"].includes(status) && ttl >= 0 && Number.isInteger(ttl),
          );
        },
      ),
      { numRuns: 10_000 },
    );
    assert.ok(read > 500, `only ${read} could be read: the test would prove nothing`);
  });
});

describe("the cache", () => {
  test("an answer is asked for once while its ttl lasts, and counts down", async (t) => {
    const server = await scripted(t, (query) => answerTo(query, [A("x.test", "192.0.2.1", 300)]));
    const resolver = resolverFor([server.port]);
    await resolver.resolve("x.test", "A");
    assert.equal((await resolver.resolve("X.test.", "A")).status, "ok");
    assert.equal(server.asked, 1);
    resolver.flush();
    await resolver.resolve("x.test", "A");
    assert.equal(server.asked, 2);
  });

  test("equal questions under way share one exchange", async (t) => {
    const server = await scripted(t, (query) => answerTo(query, [A("x.test", "192.0.2.1", 0)]));
    const resolver = resolverFor([server.port]);
    const all = await Promise.all(Array.from({ length: 50 }, () => resolver.resolve("x.test", "A")));
    assert.ok(all.every(({ status }) => status === "ok"));
    assert.equal(server.asked, 1);
    await resolver.resolve("x.test", "A");
    assert.equal(server.asked, 2, "ttl 0 is not kept");
  });

  test("failures are kept for a second, so that a burst does not hammer a broken zone (RFC 9520 §3.2)", async (t) => {
    const server = await scripted(t, (query) => answerTo(query, [], { flags: 2 }));
    const resolver = resolverFor([server.port]);
    for (let round = 0; round < 5; round++) await resolver.resolve("x.test", "A");
    assert.equal(server.asked, 2);
  });

  test("it holds no more than its entries and octets, the longest unused go first, and time ends them", () => {
    let now = 0;
    const cache = new AnswerCache({ entries: 3, bytes: 100 }, () => now);
    const answer: Answer = { status: "ok", records: [], ttl: 10, secure: false };
    for (const key of ["a", "b", "c"]) cache.set(key, answer, 10, 10);
    cache.get("a");
    cache.set("d", answer, 10, 10);
    assert.deepEqual(
      ["a", "b", "c", "d"].map((key) => cache.get(key) !== undefined),
      [true, false, true, true],
    );
    cache.set("e", answer, 10, 90);
    assert.deepEqual(
      ["a", "c", "d", "e"].map((key) => cache.get(key) !== undefined),
      [false, false, true, true],
    );
    cache.set("huge", answer, 10, 101);
    assert.equal(cache.get("huge"), undefined);
    now = 4000;
    assert.equal(cache.get("e")?.ttl, 6);
    now = 10_000;
    assert.equal(cache.get("e"), undefined);
    assert.equal(cache.size, 1);
  });
});

describe("settings", () => {
  test("servers are addresses, with a port where it is not 53", () => {
    assert.deepEqual(serverAddress("127.0.0.1:10053"), { address: "127.0.0.1", port: 10_053 });
    assert.deepEqual(serverAddress("::1"), { address: "::1", port: 53 });
    assert.deepEqual(serverAddress("[2001:db8::1]:5353"), { address: "2001:db8::1", port: 5353 });
    for (const bad of ["dns.example", "127.0.0.1:0", "127.0.0.1:99999", "", "[::1"])
      assert.throws(() => serverAddress(bad), InvalidServer);
  });

  test("resolv.conf is read as the C library reads it", () => {
    const text =
      "# nameserver 192.0.2.1\n nameserver\t192.0.2.2 # here\nnameserver fe80::1%eth0\nnameserver x\noptions edns0\n";
    assert.deepEqual(resolvConfServers(text), [
      { address: "192.0.2.2", port: 53 },
      { address: "fe80::1%eth0", port: 53 },
    ]);
    assert.deepEqual(resolvConfServers(""), [{ address: "127.0.0.1", port: 53 }]);
  });
});
