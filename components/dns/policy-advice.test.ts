import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { adviceLines, policyAdvice, publishedPolicies, type ReceivedReports } from "./policy-advice.ts";

const own = ["192.0.2.1", "2001:db8::1"];
const dmarcRow = (source: string, messages: number, passed: number) => ({
  domain: "example.org",
  source,
  messages,
  passed,
  quarantined: 0,
  rejected: 0,
  reporters: ["receiver.example"],
});
const tlsRow = (successful: number, failed: number, failures: string[] = []) => ({
  domain: "example.org",
  reporter: "receiver.example",
  policy: "sts",
  successful,
  failed,
  failures,
});
const reports = (part: Partial<ReceivedReports>): ReceivedReports => ({ dmarc: [], tls: [], ...part });

describe("DMARC (RFC 7489)", () => {
  const verdict = (policy: "none" | "quarantine" | "reject", ...dmarc: ReceivedReports["dmarc"]) => {
    const [advice] = policyAdvice(reports({ dmarc }), { dmarc: { "example.org": policy }, mtaSts: {}, own });
    return [advice?.verdict, advice?.declare];
  };
  test("a policy becomes one step stricter where our mail passes, whatever forgers do", () => {
    const forged = dmarcRow("198.51.100.9", 5_000, 0);
    assert.deepEqual(verdict("none", dmarcRow("192.0.2.1", 400, 399), forged), [
      "stricter",
      "dmarc.policy: quarantine",
    ]);
    assert.deepEqual(verdict("quarantine", dmarcRow("192.0.2.1", 400, 400), forged), [
      "stricter",
      "dmarc.policy: reject",
    ]);
    assert.deepEqual(verdict("reject", dmarcRow("192.0.2.1", 400, 400)), ["keep", undefined]);
  });
  test("mail of ours that fails keeps it where it is, and is named", () => {
    assert.deepEqual(verdict("none", dmarcRow("192.0.2.1", 400, 300)), ["mend", undefined]);
    assert.deepEqual(
      verdict("none", dmarcRow("2001:DB8:0::1", 400, 0)),
      ["mend", undefined],
      "our address, in another spelling",
    );
    const service = dmarcRow("203.0.113.5", 100, 60);
    const [advice] = policyAdvice(reports({ dmarc: [dmarcRow("192.0.2.1", 900, 900), service] }), {
      dmarc: { "example.org": "none" },
      mtaSts: {},
      own,
    });
    assert.equal(advice?.verdict, "mend");
    assert.match(advice?.reason ?? "", /203\.0\.113\.5: 40 of 100/);
  });
  test("a handful of reports proves nothing", () => {
    assert.deepEqual(verdict("none", dmarcRow("192.0.2.1", 49, 49)), ["wait", undefined]);
    assert.deepEqual(verdict("none"), ["wait", undefined]);
  });
});

test("MTA-STS goes from testing to enforce when TLS has worked and nothing failed (RFC 8461 §5)", () => {
  const verdict = (mode: "testing" | "enforce", ...tls: ReceivedReports["tls"]) =>
    policyAdvice(reports({ tls }), { dmarc: {}, mtaSts: { "example.org": mode }, own })[0];
  assert.equal(verdict("testing", tlsRow(500, 0))?.declare, "mtaSts.mode: enforce");
  assert.equal(verdict("testing", tlsRow(500, 1, ["certificate-host-mismatch"]))?.verdict, "mend");
  assert.equal(verdict("testing", tlsRow(5, 0))?.verdict, "wait");
  assert.equal(verdict("enforce", tlsRow(500, 3, ["validation-failure"]))?.verdict, "mend");
  assert.deepEqual(adviceLines([verdict("enforce", tlsRow(500, 0))!]), [
    "✓ example.org MTA-STS: enforce (500 TLS sessions reported, 0 failed).",
  ]);
});

test("what is published is read off the stack's records", () => {
  const lines = [
    '_dmarc.example.org. 3600 IN TXT "v=DMARC1; p=quarantine; rua=mailto:a@example.org"',
    'example.org. 3600 IN TXT "v=spf1 ip4:192.0.2.1 ip6:2001:db8::1 include:x.example -all"',
    'example.org._report._dmarc.other.org. 3600 IN TXT "v=DMARC1"',
  ];
  assert.deepEqual(publishedPolicies(lines, {}), { dmarc: { "example.org": "quarantine" }, mtaSts: {}, own });
});
