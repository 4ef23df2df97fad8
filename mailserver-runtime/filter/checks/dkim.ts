/** DKIM, RFC 6376: which domains answer for this message? */
import type { Check } from "../check.ts";
import type { Finding } from "../pipeline.ts";

const symbols: Readonly<Record<string, { symbol: string; score: number }>> = {
  pass: { symbol: "R_DKIM_ALLOW", score: -0.2 },
  fail: { symbol: "R_DKIM_REJECT", score: 1 },
  temperror: { symbol: "R_DKIM_TEMPFAIL", score: 0 },
  permerror: { symbol: "R_DKIM_PERMFAIL", score: 0 },
};
/** A message may carry any number of signatures; more than this many stand in no header of ours. */
const MAX_REPORTED = 8;

export const dkimCheck: Check = {
  name: "dkim",
  timeLimit: 20_000,
  onFailure: "accept",
  async run(_message, facts) {
    const { results } = await facts.dkim();
    const findings: Finding[] = results.map((row) => ({
      check: "dkim",
      ...(symbols[row.status.result] ?? { symbol: "R_DKIM_NA", score: 0 }),
      reason: row.signingDomain
        ? `DKIM ${row.status.result} for d=${row.signingDomain} s=${row.selector ?? "?"}${row.status.comment ? ` (${row.status.comment})` : ""}`
        : "no DKIM signature",
    }));
    return { findings, authenticationResults: results.slice(0, MAX_REPORTED).map((row) => row.info) };
  },
};
