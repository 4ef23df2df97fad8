/**
 * DMARC, RFC 9989: does the author's domain stand behind this message, and what does it ask to be done
 * where it does not? `p=quarantine` is advice for Junk, `p=reject` for a refusal (550 5.7.1).
 */
import type { Check } from "../check.ts";

export const dmarcCheck: Check = {
  name: "dmarc",
  timeLimit: 25_000,
  onFailure: "accept",
  async run(_message, facts) {
    const result = await facts.dmarc();
    if (!result) {
      return {
        findings: [
          { check: "dmarc", symbol: "DMARC_NA", score: 0, reason: "no single author domain in From" },
        ],
        authenticationResults: ["dmarc=permerror (no single author domain)"],
      };
    }
    const clause = result.info ? [result.info] : [];
    const domain = result.domain;
    if (result.status.result === "pass") {
      return {
        findings: [
          { check: "dmarc", symbol: "DMARC_POLICY_ALLOW", score: -0.5, reason: `DMARC pass for ${domain}` },
        ],
        authenticationResults: clause,
      };
    }
    if (result.status.result !== "fail") {
      return {
        findings: [
          {
            check: "dmarc",
            symbol: "DMARC_NA",
            score: 0,
            reason: `DMARC ${result.status.result} for ${domain}`,
          },
        ],
        authenticationResults: clause,
      };
    }
    const policy = result.policy;
    const reason = `DMARC fail for ${domain}, whose policy is ${policy}`;
    if (policy === "reject") {
      return {
        findings: [{ check: "dmarc", symbol: "DMARC_POLICY_REJECT", score: 2, reason }],
        authenticationResults: clause,
        advice: {
          kind: "reject",
          status: "5.7.1",
          text: `Rejected by the DMARC policy of ${domain}: neither SPF nor DKIM is aligned with the From address`,
        },
      };
    }
    if (policy === "quarantine") {
      return {
        findings: [{ check: "dmarc", symbol: "DMARC_POLICY_QUARANTINE", score: 1.5, reason }],
        authenticationResults: clause,
        advice: { kind: "junk", reason },
      };
    }
    return {
      findings: [{ check: "dmarc", symbol: "DMARC_POLICY_SOFTFAIL", score: 0.1, reason }],
      authenticationResults: clause,
    };
  },
};
