/**
 * Whether the recipient has written to the author before: then an answer is to be expected. Whom an account has written to
 * is what the limits on sending keep, as hashes (smtp/submission-limits/). Anybody can write any name into From, so it
 * counts only where the author's domain answers for the message (DMARC, DKIM or SPF).
 */
import { headerValue } from "../../message/headers.ts";
import type { Check, CheckResult } from "../check.ts";
import { listedSender, provenNames } from "../listed-sender.ts";

export interface Correspondence {
  /** The accounts here that mail to this address goes to. */
  accountsOf(address: string): readonly string[];
  hasMet(account: string, address: string): Promise<boolean>;
}

/** Recipients that are asked for; who writes to many is no correspondent of each. */
const MAX_RECIPIENTS = 5;
const nothing: CheckResult = { findings: [] };

export function correspondentsCheck({ accountsOf, hasMet }: Correspondence): Check {
  return {
    name: "correspondents",
    timeLimit: 25_000,
    onFailure: "accept",
    async run(message, facts) {
      if (message.recipients.length > MAX_RECIPIENTS) return nothing;
      const sender = await listedSender(message, facts);
      const { author } = sender;
      if (author === undefined) return nothing;
      const accounts = new Set(message.recipients.flatMap(accountsOf));
      const met = await Promise.all([...accounts].map((account) => hasMet(account, author)));
      if (!met.includes(true) || !(await provenNames(sender, facts)).author) return nothing;
      const headers = await facts.headers();
      const isAnswer =
        headerValue(headers, "in-reply-to") !== undefined || headerValue(headers, "references") !== undefined;
      return {
        findings: [
          isAnswer
            ? {
                check: "correspondents",
                symbol: "REPLY_OF_CORRESPONDENT",
                score: -3,
                reason: `an answer of ${author}, to whom the recipient has written`,
              }
            : {
                check: "correspondents",
                symbol: "KNOWN_CORRESPONDENT",
                score: -1.5,
                reason: `the recipient has written to ${author}`,
              },
        ],
      };
    },
  };
}
