/**
 * DMARC, RFC 9989: does the author's domain stand behind this message, and what does it ask to be done
 * where it does not? `p=quarantine` is advice for Junk, `p=reject` for a refusal (550 5.7.1).
 */
import type { Check } from "../check.ts";
import type { DmarcResult } from "../dmarc/dmarc.ts";
import { resultClause } from "../results.ts";

export const dmarcCheck: Check = {
  name: "dmarc",
  timeLimit: 25_000,
  onFailure: "accept",
  async run(_message, facts) {
    const outcome = await facts.dmarc();
    if (typeof outcome === "string") {
      const reason = `no single author domain: ${outcome}`;
      return {
        findings: [{ check: "dmarc", symbol: "DMARC_NA", score: 0, reason }],
        authenticationResults: [resultClause("dmarc", "permerror", reason, {})],
      };
    }
    const { result, author: domain, policy } = outcome;
    const clause = [clauseOf(outcome)];
    if (result === "pass") {
      return {
        findings: [
          { check: "dmarc", symbol: "DMARC_POLICY_ALLOW", score: -0.5, reason: `DMARC pass for ${domain}` },
        ],
        authenticationResults: clause,
      };
    }
    if (result !== "fail") {
      const reason = `DMARC ${result} for ${domain}`;
      return {
        findings: [{ check: "dmarc", symbol: "DMARC_NA", score: 0, reason }],
        authenticationResults: clause,
      };
    }
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

/** RFC 9989 §9.1: the policy as it was evaluated, beside the one that was published. */
function clauseOf({ result, author, policy, record, reason }: DmarcResult): string {
  const published = [`p=${(record?.p ?? "none").toUpperCase()}`];
  if (record?.sp !== undefined) published.push(`sp=${record.sp.toUpperCase()}`);
  return resultClause("dmarc", result, reason ?? (record === undefined ? undefined : published.join(" ")), {
    "policy.dmarc": result === "temperror" ? undefined : policy,
    "header.from": author,
  });
}
