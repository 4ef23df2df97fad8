/** ARC, RFC 8617: what did the hosts before us see? Reported, and used by DMARC where a sealer is trusted. */
import type { Check } from "../check.ts";

export const arcCheck: Check = {
  name: "arc",
  timeLimit: 20_000,
  onFailure: "accept",
  async run(_message, facts) {
    const result = await facts.arc();
    if (!result.info || result.status.result === "none") return { findings: [] };
    const passed = result.status.result === "pass";
    return {
      findings: [
        {
          check: "arc",
          symbol: passed ? "ARC_ALLOW" : "ARC_REJECT",
          score: 0,
          reason: `ARC ${result.status.result}${result.i ? ` over ${result.i} sets` : ""}`,
        },
      ],
      authenticationResults: [result.info],
    };
  },
};
