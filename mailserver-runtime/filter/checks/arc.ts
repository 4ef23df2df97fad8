/** ARC, RFC 8617: what did the hosts before us see? Reported, for whoever trusts a sealer. */
import type { Check } from "../check.ts";
import { resultClause } from "../results.ts";

export const arcCheck: Check = {
  name: "arc",
  timeLimit: 20_000,
  onFailure: "accept",
  async run(_message, facts) {
    const { result, sets, sealer, reason } = await facts.arc();
    if (result === "none") return { findings: [] };
    const comment = result === "pass" ? `i=${sets} d=${sealer}` : reason;
    return {
      findings: [
        {
          check: "arc",
          symbol: result === "pass" ? "ARC_ALLOW" : result === "fail" ? "ARC_REJECT" : "ARC_DNSFAIL",
          score: 0,
          reason: `ARC ${result} (${comment})`,
        },
      ],
      // RFC 8601 §2.7 has no temperror for arc; RFC 8617 §5.2.1 knows it as a failed chain.
      authenticationResults: [resultClause("arc", result === "pass" ? "pass" : "fail", comment, {})],
    };
  },
};
