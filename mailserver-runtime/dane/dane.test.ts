/** DANE from end to end: zones signed by knot, validated by unbound, mail taken by Postfix over STARTTLS. */
import assert from "node:assert/strict";
import { createHash, X509Certificate } from "node:crypto";
import { type TestContext, test } from "node:test";
import { skipWithoutPostfix, startPostfix } from "../../test/support/postfix.ts";
import { needs } from "../../test/support/tools.ts";
import { createResolver } from "../dns/resolver.ts";
import { publicKeysOf, startKnot, startUnbound } from "../dns/test-support.ts";
import type { TlsAttempt } from "../queue/delivery.ts";
import { submission, testQueue, until } from "../queue/queue-for-tests.ts";
import { createTlsDemand } from "../queue/tls-demand.ts";
import { testAuthority } from "../tls/authority-for-tests.ts";
import { subjectPublicKeyInfo } from "./spki.ts";

const authority = await testAuthority();
// Its names do not matter to usage 3, and do to usage 2 (RFC 7672 §3.1).
const certificate = await authority.issue(["mx.ta.signed.test", "mail.other.test"]);
const leaf = new X509Certificate(certificate.cert).raw;
const sha256 = (octets: Buffer): string => createHash("sha256").update(octets).digest("hex");
const RIGHT = `3 1 1 ${sha256(subjectPublicKeyInfo(leaf))}`;
const WRONG = `3 1 1 ${"ab".repeat(32)}`;
const ANCHOR = `2 0 1 ${sha256(new X509Certificate(authority.pem).raw)}`;

const APEX = "$TTL 300\n@ SOA ns hostmaster 1 7200 900 1209600 60\n@ NS ns\nns A 127.0.0.1\n";
/** A domain with one host of its own and that host's TLSA record. */
const hosted = (domain: string, tlsa: string): string =>
  `${domain} MX 10 mx.${domain}\nmx.${domain} A 127.0.0.1\n_25._tcp.mx.${domain} TLSA ${tlsa}\n`;
const SIGNED = [
  APEX,
  hosted("right", RIGHT),
  hosted("wrong", WRONG),
  hosted("ta", ANCHOR),
  hosted("ta-other", ANCHOR),
  hosted("unusable", `1 1 1 ${"ab".repeat(32)}`),
  "bare MX 10 mx.bare\nmx.bare A 127.0.0.1\n",
  // No MX: the domain is its own host (RFC 5321 §5.1).
  `implicit A 127.0.0.1\n_25._tcp.implicit TLSA ${RIGHT}\n`,
  // The records stand at the end of the alias chain, else at its beginning (RFC 7672 §2.2.2).
  "alias MX 10 mx.alias\nmx.alias CNAME mx.right\n",
  `alias-own MX 10 mx.alias-own\nmx.alias-own CNAME mx.bare\n_25._tcp.mx.alias-own TLSA ${WRONG}\n`,
  `alias-out MX 10 mx.alias-out\nmx.alias-out CNAME mx.plain.test.\n_25._tcp.mx.alias-out TLSA ${WRONG}\n`,
  "out MX 10 mx.plain.test.\n",
  // The child zone below is not signed, and its parent says that it is: bogus.
  "broken MX 10 mx.broken\nmx.broken A 127.0.0.1\n",
  `_tcp.mx.broken NS ns\n_tcp.mx.broken DS 1 13 2 ${"cd".repeat(32)}\n`,
].join("");
const PLAIN = `${APEX}@ MX 10 mx\nmx A 127.0.0.1\n_25._tcp.mx TLSA ${WRONG}\nto-signed MX 10 mx.wrong.signed.test.\n`;

const DOMAINS = [
  "right.signed.test",
  "wrong.signed.test",
  "ta.signed.test",
  "ta-other.signed.test",
  "unusable.signed.test",
  "bare.signed.test",
  "implicit.signed.test",
  "alias.signed.test",
  "alias-own.signed.test",
  "alias-out.signed.test",
  "out.signed.test",
  "broken.signed.test",
  "plain.test",
  "to-signed.plain.test",
] as const;

/** Knot, and unbound in front of it. */
async function signedInternet(t: TestContext): Promise<number> {
  const child = "_tcp.mx.broken.signed.test";
  const knot = await startKnot(
    t,
    {
      "plain.test": { text: PLAIN, lines: [] },
      [child]: { text: `${APEX}_25 TLSA ${RIGHT}\n`, lines: [] },
      "signed.test": { text: SIGNED, lines: ["dnssec-signing: on", "dnssec-policy: quick"] },
    },
    "policy:\n  - id: quick\n    algorithm: ecdsap256sha256\n    single-type-signing: on\n",
  );
  const anchors = await publicKeysOf(knot, "signed.test");
  return startUnbound(t, anchors, { "signed.test": knot, [child]: knot, "plain.test": knot });
}

test("mail goes where the TLSA records say, and waits where they are not kept (RFC 7672)", {
  skip: skipWithoutPostfix,
}, async (t) => {
  if (!needs(t, "knotd", "kdig", "unbound", "dig")) return;
  const chain = { key: certificate.key, cert: certificate.cert + authority.pem };
  const [unbound, { port }] = await Promise.all([
    signedInternet(t),
    startPostfix(t, { certificate: chain, domains: DOMAINS }),
  ]);
  const resolver = createResolver({ servers: [`127.0.0.1:${unbound}`] });
  t.after(() => resolver.close());
  const attempts = new Map<string, TlsAttempt>();
  const { queue } = await testQueue(t, port, {
    resolver,
    timeouts: undefined,
    tlsDemand: createTlsDemand({ resolver, dane: () => true, mtaSts: () => undefined }),
    onTls: (attempt) => attempts.set(attempt.domain, attempt),
  });
  const ids = new Map<string, string>();
  for (const domain of DOMAINS) ids.set(domain, (await queue.enqueue(submission(`bob@${domain}`))).id);
  const transcript = async (domain: string) =>
    (await queue.operator.show(ids.get(domain)!))?.transcript.join("\n");

  /** Where mail arrives, and by what: the outcome's level. */
  const arrives: readonly (readonly [domain: (typeof DOMAINS)[number], level: string, why: string])[] = [
    ["right.signed.test", "judge", "the key fits"],
    ["ta.signed.test", "judge", "the authority fits, and the host's name is in the certificate"],
    ["unusable.signed.test", "encrypt", "records of no use still ask for TLS (§2.2)"],
    ["bare.signed.test", "opportunistic", "no record is provably none"],
    ["implicit.signed.test", "judge", "the domain is its own host"],
    ["alias.signed.test", "judge", "the record at the end of the alias chain"],
    ["out.signed.test", "opportunistic", "the host's zone is not signed, so its record says nothing"],
    ["plain.test", "opportunistic", "nothing is signed"],
    ["to-signed.plain.test", "opportunistic", "the MX record is not signed, so anybody may have written it"],
  ];
  for (const [domain, level, why] of arrives)
    await t.test(`${domain}: ${why}`, async () => {
      const id = ids.get(domain)!;
      await until(async () => (await queue.operator.show(id)) === undefined, `${domain} to be delivered`);
      const { outcome } = attempts.get(domain)!;
      assert.equal(outcome?.policy, level);
      assert.match(outcome?.protocol ?? "", /^TLSv1/);
    });

  /** Where mail waits, what its transcript says and how it is reported. */
  const waits: readonly (readonly [domain: (typeof DOMAINS)[number], text: RegExp, type: string])[] = [
    [
      "wrong.signed.test",
      /the certificate of mx\.wrong\.signed\.test does not do: no TLSA record fits it/,
      "validation-failure",
    ],
    ["ta-other.signed.test", /it is not for mx\.ta-other\.signed\.test/, "certificate-host-mismatch"],
    ["alias-own.signed.test", /no TLSA record fits it/, "validation-failure"],
    ["alias-out.signed.test", /no TLSA record fits it/, "validation-failure"],
    [
      "broken.signed.test",
      /the TLSA records of _\d+\._tcp\.mx\.broken\.signed\.test cannot be had: .*SERVFAIL/,
      "dnssec-invalid",
    ],
  ];
  for (const [domain, text, type] of waits)
    await t.test(`${domain}: its mail waits, and says why`, async () => {
      await until(async () => /temporary/.test((await transcript(domain)) ?? ""), `${domain} to be tried`);
      assert.match((await transcript(domain)) ?? "", text);
      assert.match((await transcript(domain)) ?? "", /temporary 4\.7\.5/);
      assert.equal(attempts.get(domain)?.failure?.type, type);
    });

  await t.test(
    "a resolver that is not believed knows no DANE, and a message with TLS-Required: No goes anyway",
    async () => {
      const { id } = await queue.enqueue(
        submission([], {
          envelope: {
            from: "ann@here.test",
            recipients: [{ address: "bob@wrong.signed.test" }],
            tlsOptional: true,
          },
        }),
      );
      await until(
        async () => (await queue.operator.show(id)) === undefined,
        "delivery without regard to DANE (RFC 8689 §4.2.2)",
      );
      const doubter = createResolver({ servers: [`127.0.0.1:${unbound}`], trustAuthenticData: "never" });
      t.after(() => doubter.close());
      const doubting = await testQueue(t, port, {
        resolver: doubter,
        timeouts: undefined,
        tlsDemand: createTlsDemand({ resolver: doubter, dane: () => true, mtaSts: () => undefined }),
      });
      await doubting.queue.enqueue(submission("bob@wrong.signed.test"));
      await until(() => doubting.queue.counts().delivered === 1, "opportunistic delivery");
    },
  );
});
