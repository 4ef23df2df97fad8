/** GTUBE, the Generic Test for Unsolicited Bulk Email: a line that every filter must take for spam and refuse. */
import type { Check } from "../check.ts";

/** In two halves, so that this file itself can be mailed. */
export const GTUBE = ["XJS*C4JDBQADN1.NSBN3*2IDNEN*", "GTUBE-STANDARD-ANTI-UBE-TEST-EMAIL*C.34X"].join("");

export const gtubeCheck: Check = {
  name: "gtube",
  timeLimit: 10_000,
  onFailure: "accept",
  async run(_message, facts) {
    const { texts } = await facts.readable();
    if (!texts.some(({ raw }) => raw.includes(GTUBE))) return { findings: [] };
    return {
      findings: [
        { check: "gtube", symbol: "GTUBE", score: 1000, reason: "the GTUBE test line is in the text" },
      ],
      advice: { kind: "reject", status: "5.7.1", text: "Rejected as spam: this is the GTUBE test message" },
    };
  },
};
