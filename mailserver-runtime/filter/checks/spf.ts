/** SPF, RFC 7208: may this client use this reverse-path's domain? It scores; the domain's owner decides by DMARC. */
import type { Check } from "../check.ts";
import type { Finding } from "../pipeline.ts";

const symbols: Readonly<Record<string, { symbol: string; score: number }>> = {
  pass: { symbol: "R_SPF_ALLOW", score: -0.2 },
  fail: { symbol: "R_SPF_FAIL", score: 1 },
  softfail: { symbol: "R_SPF_SOFTFAIL", score: 0 },
  neutral: { symbol: "R_SPF_NEUTRAL", score: 0 },
  none: { symbol: "R_SPF_NA", score: 0 },
  temperror: { symbol: "R_SPF_DNSFAIL", score: 0 },
  permerror: { symbol: "R_SPF_PERMFAIL", score: 0 },
};

export const spfCheck: Check = {
  name: "spf",
  timeLimit: 20_000,
  onFailure: "accept",
  async run(message, facts) {
    const result = await facts.spf();
    const known = symbols[result.status.result] ?? { symbol: "R_SPF_NEUTRAL", score: 0 };
    const finding: Finding = {
      check: "spf",
      ...known,
      reason: `SPF ${result.status.result} for ${result.domain || message.helo} from ${message.client.address}`,
    };
    return { findings: [finding], authenticationResults: [result.info] };
  },
};
