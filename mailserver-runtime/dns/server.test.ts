import assert from "node:assert/strict";
import dgram from "node:dgram";
import { once } from "node:events";
import { rename, rm, writeFile } from "node:fs/promises";
import net from "node:net";
import path from "node:path";
import { describe, type TestContext, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import * as packet from "dns-packet";
import fc from "fast-check";
import { silentLog } from "../net/log.ts";
import { parseMasterFile } from "./records.ts";
import { answerQuery, type NameServer, NameServerError, startNameServer } from "./server.ts";
import { directoryWith, hasTool, run } from "./test-support.ts";
import { buildZone, type Zones } from "./zone.ts";

const EXAMPLE = `$TTL 300
@ SOA ns hostmaster 7 7200 900 1209600 60
@ NS ns
@ MX 10 mail
@ MX 20 backup.example.net.
@ TXT "v=spf1 ip4:127.0.0.1 -all"
@ CAA 0 issue "ca.example"
ns A 127.0.0.1
mail A 127.0.0.1
mail AAAA ::1
www CNAME mail
deep CNAME www
away CNAME elsewhere.invalid.
loop1 CNAME loop2
loop2 CNAME loop1
other CNAME host.example.org.
lost CNAME nothing.example.org.
big TXT ${Array.from({ length: 9 }, (_, index) => `"${String(index).repeat(200)}"`).join(" ")}
middle TXT "${"m".repeat(250)}" "${"m".repeat(250)}" "${"m".repeat(250)}"
*.wild A 192.0.2.7
*.wild MX 5 mail
sub.wild TXT "here"
a.b.c.empty A 192.0.2.8
child NS ns.child
ns.child A 192.0.2.9
_imaps._tcp SRV 0 1 993 mail
_25._tcp.mail TLSA 3 1 1 ${"ab".repeat(32)}
`;
const ORG = "$TTL 60\n@ SOA ns.example.com. h 1 1 1 1 30\n@ NS ns.example.com.\nhost A 192.0.2.5\n";
const LOOPBACK =
  "$TTL 60\n@ SOA ns.example.com. h.example.com. 1 1 1 1 30\n@ NS ns.example.com.\n1 PTR mail.example.com.\n";
const FILES = { "example.com.zone": EXAMPLE, "example.org.zone": ORG, "0.0.127.in-addr.arpa.zone": LOOPBACK };

async function started(t: TestContext, files: Readonly<Record<string, string>> = FILES) {
  const zoneDirectory = await directoryWith(t, files);
  const server = await startNameServer({ address: "127.0.0.1", port: 0, zoneDirectory, log: silentLog });
  t.after(() => server.close());
  return { server, zoneDirectory };
}

const ask = (server: NameServer, client: "dig" | "kdig", ...query: string[]) =>
  run(client, "@127.0.0.1", "-p", String(server.port), ...query);
const answers = async (server: NameServer, ...query: string[]) =>
  (await ask(server, "dig", ...query, "+short")).trimEnd().split("\n").sort().join("; ");

describe("dig and kdig get", () => {
  test("the records of each type", async (t) => {
    if (!hasTool(t, "dig", "bind9-dnsutils")) return;
    const { server } = await started(t);
    const cases: readonly [query: string, expected: string][] = [
      ["example.com MX", "10 mail.example.com.; 20 backup.example.net."],
      ["EXAMPLE.com TXT", '"v=spf1 ip4:127.0.0.1 -all"'],
      ["example.com SOA", "ns.example.com. hostmaster.example.com. 7 7200 900 1209600 60"],
      ["example.com NS", "ns.example.com."],
      ["example.com CAA", '0 issue "ca.example"'],
      ["mail.example.com AAAA", "::1"],
      ["_imaps._tcp.example.com SRV", "0 1 993 mail.example.com."],
      ["_25._tcp.mail.example.com TLSA", `3 1 1 ${"AB".repeat(28)} ${"AB".repeat(4)}`],
      ["-x 127.0.0.1", "mail.example.com."],
      ["deep.example.com A", "127.0.0.1; mail.example.com.; www.example.com."],
      ["other.example.com A", "192.0.2.5; host.example.org."],
      ["away.example.com A", "elsewhere.invalid."],
      ["any.thing.wild.example.com MX", "5 mail.example.com."],
    ];
    for (const [query, expected] of cases)
      assert.equal(await answers(server, ...query.split(" ")), expected, query);
  });

  test("the right status: NXDOMAIN, no data, REFUSED, NOTIMP, BADVERS, a referral", async (t) => {
    if (!hasTool(t, "dig", "bind9-dnsutils")) return;
    const { server } = await started(t);
    const cases: readonly [query: string, patterns: readonly RegExp[]][] = [
      // RFC 2308: both carry the SOA, with the smaller of its ttl and minimum.
      ["nope.example.com A", [/status: NXDOMAIN/, /flags: qr aa rd;/, /example\.com\.\s+60\s+IN\s+SOA/]],
      ["mail.example.com MX", [/status: NOERROR/, /ANSWER: 0/, /60\s+IN\s+SOA/]],
      // RFC 8020, RFC 4592: names with something below them exist, and are shielded from wildcards.
      ["c.empty.example.com A", [/status: NOERROR/, /ANSWER: 0/]],
      ["sub.wild.example.com A", [/status: NOERROR/, /ANSWER: 0/]],
      ["wild.example.com A", [/status: NOERROR/, /ANSWER: 0/]],
      [
        "lost.example.com A",
        [/status: NXDOMAIN/, /CNAME\s+nothing\.example\.org/, /example\.org\.\s+30\s+IN\s+SOA/],
      ],
      ["loop1.example.com A", [/status: NOERROR/, /ANSWER: 2/]],
      [
        "www.child.example.com A",
        [/status: NOERROR/, /flags: qr rd;/, /child\.example\.com\.\s+300\s+IN\s+NS/],
      ],
      ["foreign.test A", [/status: REFUSED/]],
      ["example.com AXFR +notcp", [/status: REFUSED|Transfer failed/]],
      ["example.com ANY +notcp", [/status: NOERROR/, /ANSWER: 1/]],
      ["version.bind TXT CH", [/status: REFUSED/]],
      ["+opcode=status example.com", [/status: NOTIMP/]],
      ["+edns=7 +noednsneg example.com", [/status: BADVERS/]],
      ["example.com TYPE65", [/status: NOERROR/, /ANSWER: 0/]],
    ];
    for (const [query, patterns] of cases) {
      const output = await ask(server, "dig", ...query.split(" "));
      for (const pattern of patterns) assert.match(output, pattern, query);
    }
  });

  test("a long answer whole: cut over UDP and asked again over TCP (RFC 2181 §9, RFC 7766)", async (t) => {
    if (!hasTool(t, "kdig", "knot-dnsutils")) return;
    const { server } = await started(t);
    const cut = await ask(server, "kdig", "big.example.com", "TXT", "+ignore");
    assert.match(cut, /Flags: qr aa tc rd; QUERY: 1; ANSWER: 0/);
    const whole = await ask(server, "kdig", "big.example.com", "TXT");
    assert.match(whole, /ANSWER: 1;/);
    assert.match(whole, /\(TCP\)/);
    assert.ok(whole.includes("8".repeat(200)));
    // 750 octets: too much for a client without EDNS, little enough for one with.
    assert.match(await ask(server, "kdig", "middle.example.com", "TXT", "+noedns", "+ignore"), /aa tc/);
    assert.match(await ask(server, "kdig", "middle.example.com", "TXT", "+bufsize=1232"), /\(UDP\)/);
  });

  test("many questions on one TCP connection", async (t) => {
    if (!hasTool(t, "dig", "bind9-dnsutils")) return;
    const { server } = await started(t);
    const output = await ask(
      server,
      "dig",
      "+tcp",
      "+keepopen",
      "+short",
      "example.com",
      "MX",
      "mail.example.com",
      "A",
      "big.example.com",
      "TXT",
    );
    assert.match(output, /10 mail\.example\.com\.\n[\s\S]*127\.0\.0\.1\n"0000/);
  });
});

describe("zone files", () => {
  async function until(condition: () => boolean): Promise<void> {
    for (let attempt = 0; attempt < 100 && !condition(); attempt++) await sleep(50);
    assert.ok(condition());
  }
  const mxOf = async (server: NameServer) => {
    const client = dgram.createSocket("udp4");
    client.send(
      packet.encode({ id: 1, questions: [{ type: "MX", name: "example.com" }] }),
      server.port,
      "127.0.0.1",
    );
    const [octets] = (await once(client, "message")) as [Buffer];
    client.close();
    return packet.decode(octets).answers?.length;
  };

  test("a change is seen by itself, a broken file leaves the last good zone and is told with its line", async (t) => {
    const { server, zoneDirectory } = await started(t);
    const file = path.join(zoneDirectory, "example.com.zone");
    assert.equal(await mxOf(server), 2);
    await writeFile(`${file}.tmp`, EXAMPLE.replace("@ MX 20 backup.example.net.\n", ""));
    await rename(`${file}.tmp`, file);
    for (let attempt = 0; attempt < 100 && (await mxOf(server)) !== 1; attempt++) await sleep(50);
    assert.equal(await mxOf(server), 1);

    await writeFile(file, EXAMPLE.replace("mail A 127.0.0.1", "mail A 127.0.0.300"));
    await until(() => server.problems().length > 0);
    assert.deepEqual(server.problems(), [
      { file, line: 9, reason: `A record of mail.example.com: "127.0.0.300" is not an IPv4 address` },
    ]);
    assert.equal(await mxOf(server), 1);

    await writeFile(file, `${EXAMPLE}www A 192.0.2.1\n`);
    await server.reload();
    assert.match(
      server.problems()[0]?.reason ?? "",
      /www\.example\.com is an alias \(CNAME\) and can have no other record/,
    );

    await writeFile(file, EXAMPLE);
    await server.reload();
    assert.deepEqual(server.problems(), []);
    assert.equal(await mxOf(server), 2);

    await rm(file);
    await server.reload();
    assert.equal(await mxOf(server), 0);
  });

  test("a directory that is not there is a problem, not a crash, and is read once it is there", async (t) => {
    const parent = await directoryWith(t, {});
    const zoneDirectory = path.join(parent, "zones");
    const server = await startNameServer({ address: "127.0.0.1", port: 0, zoneDirectory, log: silentLog });
    t.after(() => server.close());
    assert.match(server.problems()[0]?.reason ?? "", /ENOENT/);
    await rename(await directoryWith(t, FILES), zoneDirectory);
    await server.reload();
    assert.deepEqual(server.problems(), []);
    assert.equal(await mxOf(server), 2);
  });

  test("a directory that is replaced by another is watched again", async (t) => {
    const { server, zoneDirectory } = await started(t);
    await rename(zoneDirectory, `${zoneDirectory}.old`);
    t.after(() => rm(`${zoneDirectory}.old`, { recursive: true }));
    await server.reload();
    assert.equal(await mxOf(server), 2, "what was served stays");
    await rename(await directoryWith(t, FILES), zoneDirectory);
    await server.reload();
    await writeFile(
      path.join(zoneDirectory, "example.com.zone"),
      EXAMPLE.replace("@ MX 20 backup.example.net.\n", ""),
    );
    for (let attempt = 0; attempt < 100 && (await mxOf(server)) !== 1; attempt++) await sleep(50);
    assert.equal(await mxOf(server), 1);
  });

  const cases: readonly [what: string, zone: string, reason: RegExp][] = [
    ["no SOA", "@ NS ns\nns A 127.0.0.1\n", /one SOA record; here are 0/],
    ["two SOAs", `${ORG}@ SOA a b 1 1 1 1 1\n`, /here are 2/],
    ["no NS", "@ SOA ns h 1 1 1 1 1\n", /no NS record at example\.org/],
    [
      "a record of another zone",
      `${ORG}x.example.net. A 192.0.2.1\n`,
      /x\.example\.net is not within example\.org/,
    ],
    [
      "an MX at an alias",
      `${ORG}a CNAME host\n@ MX 1 a\n`,
      /MX points at a\.example\.org, which is an alias/,
    ],
    ["different ttls in a set", `${ORG}a 1 A 192.0.2.1\na 2 A 192.0.2.2\n`, /different ttls, 1 and 2/],
  ];
  for (const [what, zone, reason] of cases)
    test(`a zone with ${what} is refused`, () => {
      const built = buildZone("example.org", parseMasterFile(zone, { origin: "example.org" }).entries);
      assert.ok(
        !built.ok && built.problems.some((problem) => reason.test(problem.reason)),
        JSON.stringify(built),
      );
    });
});

describe("hostile clients", () => {
  const zones: Zones = new Map(
    Object.entries(FILES).map(([file, text]) => {
      const origin = path.basename(file, ".zone");
      const built = buildZone(origin, parseMasterFile(text, { origin }).entries);
      assert.ok(built.ok);
      return [origin, built.zone];
    }),
  );
  const query = packet.encode({
    id: 4711,
    questions: [{ type: "MX", name: "example.com" }],
    additionals: [
      {
        type: "OPT",
        name: ".",
        udpPayloadSize: 4096,
        extendedRcode: 0,
        ednsVersion: 0,
        flags: 0,
        flag_do: false,
        options: [],
      },
    ],
  });

  test("ten thousand mutated packets get an answer that can be read, or none", () => {
    const mutation = fc.record({ at: fc.nat({ max: query.length + 20 }), value: fc.nat({ max: 255 }) });
    const mutated = fc
      .tuple(fc.array(mutation, { maxLength: 12 }), fc.nat({ max: query.length + 20 }))
      .map(([changes, length]) => {
        const octets = Buffer.concat([query, Buffer.alloc(20, 0xc0)]);
        for (const { at, value } of changes) octets[at] = value;
        return octets.subarray(0, length);
      });
    const random = fc.uint8Array({ maxLength: 600 }).map((octets) => Buffer.from(octets));
    fc.assert(
      fc.property(
        fc.oneof({ weight: 3, arbitrary: mutated }, random),
        fc.constantFrom("udp" as const, "tcp" as const),
        (octets, transport) => {
          const answer = answerQuery(zones, Buffer.from(octets), transport);
          if (answer === undefined) return;
          assert.ok(answer.length <= (transport === "udp" ? 1232 : 65_535));
          const decoded = packet.decode(answer);
          assert.ok(decoded.flag_qr, "an answer is never taken for a question");
          assert.equal(answer.readUInt16BE(0), octets.readUInt16BE(0));
        },
      ),
      { numRuns: 10_000 },
    );
  });

  test("a response is never answered, so two servers cannot talk for ever", () => {
    const response = Buffer.from(query);
    response[2]! |= 0x80;
    assert.equal(answerQuery(zones, response, "udp"), undefined);
  });

  test("compression pointers in a circle, long names and counts without records end in FORMERR", () => {
    const header = Buffer.from("123400000001000000000000", "hex");
    const circle = Buffer.concat([header, Buffer.from("c00c00010001", "hex")]);
    const long = Buffer.concat([header, Buffer.from(`${`3f${"61".repeat(63)}`.repeat(5)}0000010001`, "hex")]);
    const claims = Buffer.from("12340000ffffffffffffffff", "hex");
    for (const octets of [circle, long, claims])
      assert.equal(answerQuery(zones, octets, "udp")?.readUInt16BE(2), 0x8001);
  });

  test("TCP: an endless or oversized query is cut off, half ones hold nobody up, and the port still answers", async (t) => {
    const { server } = await started(t);
    const connect = async () => {
      const socket = net.connect(server.port, "127.0.0.1");
      socket.on("error", () => {});
      t.after(async () => void socket.destroy());
      await once(socket, "connect");
      return socket;
    };
    const oversized = await connect();
    oversized.write(Buffer.from("ffff00", "hex"));
    await once(oversized, "close");
    const half = await connect();
    half.write(Buffer.from([0]));
    const whole = await connect();
    const frame = packet.streamEncode({ id: 9, questions: [{ type: "A", name: "mail.example.com" }] });
    // One octet at a time.
    for (const octet of frame) whole.write(Buffer.from([octet]));
    const [answer] = (await once(whole, "data")) as [Buffer];
    assert.equal(answer.readUInt16BE(2), 9);
  });

  test("TCP: a client that asks and never reads is not allowed to fill memory", async (t) => {
    const strings = Array.from({ length: 240 }, () => `"${"h".repeat(250)}"`).join(" ");
    const { server } = await started(t, { ...FILES, "example.com.zone": `${EXAMPLE}huge TXT ${strings}\n` });
    const socket = net.connect(server.port, "127.0.0.1");
    t.after(async () => void socket.destroy());
    socket.on("error", () => {});
    await once(socket, "connect");
    socket.pause();
    const before = process.memoryUsage().arrayBuffers;
    // 600 kB of questions that ask for 1.2 GB of answers.
    const question = packet.streamEncode({ id: 9, questions: [{ type: "TXT", name: "huge.example.com" }] });
    socket.write(Buffer.concat(Array.from({ length: 20_000 }, () => question)));
    for (let look = 0; look < 8; look++) {
      await sleep(200);
      const grown = process.memoryUsage().arrayBuffers - before;
      assert.ok(grown < 32 * 1024 * 1024, `holds ${grown} octets more`);
    }
  });
});

test("a taken port is named, with the way out", async (t) => {
  const { server, zoneDirectory } = await started(t);
  const options = { address: "127.0.0.1", port: server.port, zoneDirectory, log: silentLog };
  await assert.rejects(startNameServer(options), (error: unknown) => {
    assert.ok(error instanceof NameServerError && error.code === "port-in-use");
    assert.match(
      error.message,
      new RegExp(`UDP port ${server.port} at 127\\.0\\.0\\.1.*dns\\.authoritative\\.port`),
    );
    return true;
  });
});
