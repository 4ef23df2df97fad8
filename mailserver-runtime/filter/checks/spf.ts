/** SPF, RFC 7208: may this client use this reverse-path's domain? It scores; the domain's owner decides by DMARC. */
import type { Check } from "../check.ts";
import { resultClause } from "../results.ts";
import type { SpfResultName } from "../spf/check-host.ts";

interface Row {
  readonly symbol: string;
  readonly score: number;
  /** The field's usual words; `sender` is the address or, for a null reverse-path, the HELO name. */
  readonly words: (sender: string, client: string) => string;
}
const rows: Readonly<Record<SpfResultName, Row>> = {
  pass: {
    symbol: "R_SPF_ALLOW",
    score: -0.2,
    words: (sender, client) => `domain of ${sender} designates ${client} as permitted sender`,
  },
  fail: {
    symbol: "R_SPF_FAIL",
    score: 1,
    words: (sender, client) => `domain of ${sender} does not designate ${client} as permitted sender`,
  },
  softfail: {
    symbol: "R_SPF_SOFTFAIL",
    score: 0,
    words: (sender, client) =>
      `domain of transitioning ${sender} does not designate ${client} as permitted sender`,
  },
  neutral: {
    symbol: "R_SPF_NEUTRAL",
    score: 0,
    words: (sender, client) => `${client} is neither permitted nor denied by domain of ${sender}`,
  },
  none: {
    symbol: "R_SPF_NA",
    score: 0,
    words: (sender) => `domain of ${sender} does not designate permitted sender hosts`,
  },
  temperror: {
    symbol: "R_SPF_DNSFAIL",
    score: 0,
    words: (sender) => `error in processing during lookup of ${sender}`,
  },
  permerror: {
    symbol: "R_SPF_PERMFAIL",
    score: 0,
    words: (sender) => `permanent error in processing during lookup of ${sender}`,
  },
};

export const spfCheck: Check = {
  name: "spf",
  timeLimit: 20_000,
  onFailure: "accept",
  async run(message, facts) {
    const { result, domain, reason } = await facts.spf();
    const { symbol, score, words } = rows[result];
    const { from, helo, client } = message;
    const why = result === "temperror" || result === "permerror" ? `: ${reason}` : "";
    return {
      findings: [
        {
          check: "spf",
          symbol,
          score,
          reason: `SPF ${result} for ${domain || helo} from ${client.address}${why}`,
        },
      ],
      authenticationResults: [
        resultClause("spf", result, `${facts.hostname}: ${words(from || helo, client.address)}${why}`, {
          "smtp.mailfrom": from,
          "smtp.helo": helo,
        }),
      ],
    };
  },
};
