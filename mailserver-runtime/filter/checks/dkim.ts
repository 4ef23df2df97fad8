/** DKIM, RFC 6376: which domains answer for this message? */
import type { Check, CheckResult } from "../check.ts";
import type { DkimResult } from "../dkim/verify.ts";
import type { Finding } from "../pipeline.ts";
import { resultClause } from "../results.ts";

const symbols: Readonly<Record<DkimResult["result"], { symbol: string; score: number }>> = {
  pass: { symbol: "R_DKIM_ALLOW", score: -0.2 },
  fail: { symbol: "R_DKIM_REJECT", score: 1 },
  temperror: { symbol: "R_DKIM_TEMPFAIL", score: 0 },
  permerror: { symbol: "R_DKIM_PERMFAIL", score: 0 },
};
const unsigned: CheckResult = {
  findings: [{ check: "dkim", symbol: "R_DKIM_NA", score: 0, reason: "no DKIM signature" }],
  authenticationResults: ["dkim=none (message not signed)"],
};
/** A message may carry any number of signatures; more than this many stand in no header of ours. */
const MAX_REPORTED = 8;

export const dkimCheck: Check = {
  name: "dkim",
  timeLimit: 20_000,
  onFailure: "accept",
  async run(_message, facts) {
    const results = await facts.dkim();
    if (results.length === 0) return unsigned;
    const findings: Finding[] = results.map(({ result, domain, selector, comment }) => ({
      check: "dkim",
      ...symbols[result],
      reason: `DKIM ${result} for d=${domain ?? "?"} s=${selector ?? "?"}${comment === undefined ? "" : ` (${comment})`}`,
    }));
    return { findings, authenticationResults: results.slice(0, MAX_REPORTED).map(clauseOf) };
  },
};

function clauseOf({ result, comment, domain, selector, identity, algorithm, mark }: DkimResult): string {
  return resultClause("dkim", result, comment, {
    // RFC 8601 §2.7.1: i= where the signer gave one that says more than d=.
    "header.i": identity ?? (domain === undefined ? undefined : `@${domain}`),
    "header.s": selector,
    "header.a": algorithm,
    "header.b": mark,
  });
}
