/** Our reading of TLSA records beside OpenSSL's (`s_client -dane_tlsa_rrdata`), over real handshakes. */
import assert from "node:assert/strict";
import { createHash, X509Certificate } from "node:crypto";
import { once } from "node:events";
import type { AddressInfo } from "node:net";
import { type TestContext, test } from "node:test";
import { connect, createServer, type PeerCertificate } from "node:tls";
import { needs, run } from "../../test/support/tools.ts";
import type { TlsaRecord } from "../dns/records.ts";
import { testAuthority } from "../tls/authority-for-tests.ts";
import { subjectPublicKeyInfo } from "./spki.ts";
import { daneProblem, usableRecords } from "./tlsa.ts";

const authority = await testAuthority();
const stranger = await testAuthority("A stranger");
const good = await authority.issue(["mx.test"]);
const old = await authority.issue(["mx.test"], new Date(Date.now() - 5 * 86_400_000));
const der = (pem: string): Buffer => new X509Certificate(pem).raw;
const DIGEST = ["", "sha256", "sha512"] as const;

/** The record that is about this certificate. */
function about(pem: string, usage: number, selector: number, matchingType: number): TlsaRecord {
  const subject = selector === 0 ? der(pem) : subjectPublicKeyInfo(der(pem));
  const digest = DIGEST[matchingType];
  const certificate = digest ? createHash(digest).update(subject).digest("hex") : subject.toString("hex");
  return { type: "TLSA", name: "_25._tcp.mx.test", ttl: 60, usage, selector, matchingType, certificate };
}

/** A TLS server on the loopback that shows this chain. */
async function server(context: TestContext, key: string, chain: string): Promise<number> {
  const listening = createServer({ key, cert: chain }, (socket) => socket.end()).listen(0, "127.0.0.1");
  listening.on("tlsClientError", () => {});
  context.after(() => listening.close());
  await once(listening, "listening");
  return (listening.address() as AddressInfo).port;
}
async function shownBy(port: number): Promise<PeerCertificate> {
  const socket = connect({ host: "127.0.0.1", port, servername: "mx.test", rejectUnauthorized: false });
  await once(socket, "secureConnect");
  const shown = socket.getPeerCertificate(true);
  socket.destroy();
  return shown;
}
async function opensslAgrees(port: number, records: readonly TlsaRecord[], name: string): Promise<boolean> {
  const data = records.flatMap(({ usage, selector, matchingType, certificate }) => [
    "-dane_tlsa_rrdata",
    `${usage} ${selector} ${matchingType} ${certificate}`,
  ]);
  const { stdout, stderr } = await run("openssl", [
    ...["s_client", "-brief", "-connect", `127.0.0.1:${port}`, "-dane_tlsa_domain", name],
    ...["-dane_ee_no_namechecks", ...data],
  ]);
  return /Verification: OK/.test(stdout + stderr);
}

interface Case {
  readonly what: string;
  readonly records: readonly TlsaRecord[];
  readonly certificate?: typeof good;
  /** Sent behind the server's own certificate. */
  readonly above?: string;
  readonly name?: string;
  readonly expected: "fits" | "validation-failure" | "certificate-expired" | "certificate-host-mismatch";
}
const kinds = [0, 1].flatMap((selector) => [0, 1, 2].map((matching) => [selector, matching] as const));
const cases: readonly Case[] = [
  ...kinds.map(([selector, matching]) => ({
    what: `3 ${selector} ${matching} of the server's own certificate`,
    records: [about(good.cert, 3, selector, matching)],
    expected: "fits" as const,
  })),
  ...kinds.map(([selector, matching]) => ({
    what: `2 ${selector} ${matching} of its authority`,
    records: [about(authority.pem, 2, selector, matching)],
    above: authority.pem,
    expected: "fits" as const,
  })),
  ...([0, 1] as const).map((selector) => ({
    what: `2 ${selector} 0 of an authority that the server does not send`,
    records: [about(authority.pem, 2, selector, 0)],
    expected: "fits" as const,
  })),
  {
    what: "a record of another key",
    records: [about(old.cert, 3, 1, 1)],
    expected: "validation-failure",
  },
  {
    what: "a record of another key beside the right one",
    records: [about(old.cert, 3, 1, 1), about(good.cert, 3, 1, 1)],
    expected: "fits",
  },
  {
    what: "3 1 1 of a certificate out of date (RFC 7672 §3.1.1)",
    certificate: old,
    records: [about(old.cert, 3, 1, 1)],
    expected: "fits",
  },
  {
    what: "3 1 1 of a certificate for another name (§3.1.1)",
    name: "other.test",
    records: [about(good.cert, 3, 1, 1)],
    expected: "fits",
  },
  {
    what: "2 0 1, the certificate out of date (§3.1.2)",
    certificate: old,
    above: authority.pem,
    records: [about(authority.pem, 2, 0, 1)],
    expected: "certificate-expired",
  },
  {
    what: "2 0 1, the certificate for another name (§3.1.2)",
    name: "other.test",
    above: authority.pem,
    records: [about(authority.pem, 2, 0, 1)],
    expected: "certificate-host-mismatch",
  },
  {
    what: "2 0 1 of an authority that did not issue the certificate, but is sent with it",
    above: stranger.pem,
    records: [about(stranger.pem, 2, 0, 1)],
    expected: "validation-failure",
  },
  {
    what: "2 0 0 of an authority that did not issue the certificate",
    records: [about(stranger.pem, 2, 0, 0)],
    expected: "validation-failure",
  },
  {
    what: "the stronger digest wrong and the weaker right (RFC 7671 §9)",
    records: [about(old.cert, 3, 1, 2), about(good.cert, 3, 1, 1)],
    expected: "validation-failure",
  },
];
for (const { what, records, certificate = good, above = "", name = "mx.test", expected } of cases)
  test(`${what}: ${expected}, and OpenSSL thinks so too`, async (context) => {
    if (!needs(context, "openssl")) return;
    const port = await server(context, certificate.key, certificate.cert + above);
    const problem = daneProblem(usableRecords(records), await shownBy(port), [name], Date.now());
    assert.equal(problem?.type ?? "fits", expected, problem?.text);
    assert.equal(await opensslAgrees(port, records, name), expected === "fits");
  });

test("usages 0 and 1, unknown numbers and data that cannot be right are of no use (RFC 7672 §3.1.3)", () => {
  const right = about(good.cert, 3, 1, 1);
  const useless: readonly Partial<TlsaRecord>[] = [
    { usage: 0 },
    { usage: 1 },
    { usage: 255 },
    { selector: 2 },
    { matchingType: 3 },
    { certificate: "abcd" },
    { matchingType: 2 },
    { matchingType: 0 },
  ];
  for (const change of useless)
    assert.deepEqual(usableRecords([{ ...right, ...change }]), [], JSON.stringify(change));
  assert.deepEqual(usableRecords([right, { ...right, usage: 1 }]), [right]);
});

test("a key's octets are those of its certificate", () => {
  for (const { cert } of [good, old]) {
    const exported = new X509Certificate(cert).publicKey.export({ type: "spki", format: "der" });
    assert.deepEqual(subjectPublicKeyInfo(der(cert)), exported);
  }
  assert.throws(() => subjectPublicKeyInfo(Buffer.from("3082ffff30", "hex")), RangeError);
});
