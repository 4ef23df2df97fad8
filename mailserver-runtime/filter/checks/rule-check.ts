/** A check that is a table: each row looks at what a message shows, and is a finding where it holds. */
import type { Check } from "../check.ts";
import type { InboundMessage } from "../pipeline.ts";
import type { Readable } from "../reading/readable.ts";

export interface Rule {
  readonly symbol: string;
  readonly score: number;
  readonly reason: string;
  holds(readable: Readable, message: InboundMessage): boolean;
}

export function ruleCheck(name: string, rules: readonly Rule[]): Check {
  return {
    name,
    timeLimit: 10_000,
    onFailure: "accept",
    async run(message, facts) {
      const readable = await facts.readable();
      return {
        findings: rules
          .filter((rule) => rule.holds(readable, message))
          .map(({ symbol, score, reason }) => ({ check: name, symbol, score, reason })),
      };
    },
  };
}
