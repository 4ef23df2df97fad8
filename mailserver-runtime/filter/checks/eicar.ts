/**
 * EICAR, the anti-malware test file (EICAR, "Anti-Malware Testfile"): a file that begins with this line, in
 * whatever transfer encoding, is refused as a virus would be. A text that mentions the line is not one.
 */
import type { Check } from "../check.ts";

/** In two halves, so that no scanner takes this file for one. */
export const EICAR = ["X5O!P%@AP[4\\PZX54(P^)7CC)7}", "$EICAR-STANDARD-ANTIVIRUS-TEST-FILE!$H+H*"].join("");

export const eicarCheck: Check = {
  name: "eicar",
  timeLimit: 10_000,
  onFailure: "accept",
  async run(_message, facts) {
    const { attachments, texts } = await facts.readable();
    const attached = attachments.find(({ head }) =>
      head.toString("latin1", 0, 200).trimStart().startsWith(EICAR),
    );
    if (!attached && !texts.some(({ raw }) => raw.slice(0, 200).trimStart().startsWith(EICAR)))
      return { findings: [] };
    const reason = attached?.name
      ? `${JSON.stringify(attached.name)} is the EICAR test file`
      : "a part is the EICAR test file";
    return {
      findings: [{ check: "eicar", symbol: "EICAR", score: 1000, reason }],
      advice: {
        kind: "reject",
        status: "5.7.1",
        text: "Rejected: a part of this message is the EICAR anti-malware test file",
      },
    };
  },
};
