/**
 * From findings to what happens: scores against thresholds, and the fields that say so in the message.
 *
 * Thresholds are docker-mailserver's: rspamd's actions as it ships them (add_header 6, reject 11), or
 * SpamAssassin's SA_TAG, SA_TAG2 and SA_KILL where those are set. What a check advises by itself (DMARC's
 * policy, a virus) counts beside the score, and the harder of the two wins.
 */
import type { Advice } from "./check.ts";
import type { Finding } from "./pipeline.ts";

export interface FilterPolicy {
  /** From this score on the X-Spam fields are written; undefined: always. */
  readonly tagScore?: number;
  /** From this score on a message goes to Junk. */
  readonly junkScore: number;
  /** From this score on it is kept in the quarantine; undefined: never by score. */
  readonly quarantineScore?: number;
  /** From this score on it is refused; undefined: never by score. */
  readonly rejectScore?: number;
  /** Whether what reaches `junkScore` is delivered, or refused (SPAMASSASSIN_SPAM_TO_INBOX=0); default: delivered. */
  readonly deliverJunk?: boolean;
}
/** rspamd's thresholds as DMS sets them. */
export const standardPolicy: FilterPolicy = { tagScore: undefined, junkScore: 6, rejectScore: 11 };

/** What the score alone asks for. */
export function adviceOf(score: number, policy: FilterPolicy): Advice | undefined {
  const { quarantineScore, deliverJunk = true } = policy;
  const rejectScore = Math.min(policy.rejectScore ?? Infinity, deliverJunk ? Infinity : policy.junkScore);
  if (score >= rejectScore)
    return {
      kind: "reject",
      status: "5.7.1",
      text: `Rejected as spam: score ${score.toFixed(1)}, limit ${rejectScore}`,
    };
  if (quarantineScore !== undefined && score >= quarantineScore)
    return { kind: "quarantine", reason: `score ${score.toFixed(1)} reaches ${quarantineScore}` };
  return score >= policy.junkScore
    ? { kind: "junk", reason: `score ${score.toFixed(1)} reaches ${policy.junkScore}` }
    : undefined;
}

/** Symbols of one header field; the rest stand in the log. */
const MAX_SYMBOLS = 60;

/** The fields that mail programs and Sieve scripts look for; values folded at CRLF TAB, no line over 998. */
export function spamHeaders(
  findings: readonly Finding[],
  score: number,
  junk: boolean,
  policy: FilterPolicy,
): readonly { readonly name: string; readonly value: string }[] {
  if (!junk && policy.tagScore !== undefined && score < policy.tagScore) return [];
  const tests = findings.slice(0, MAX_SYMBOLS).map(({ symbol }) => symbol.replace(/[^\w.-]/g, "_"));
  const folded = tests.length === 0 ? "" : `\r\n\ttests=${tests.join(",\r\n\t")}`;
  const status = `${junk ? "Yes" : "No"}, score=${score.toFixed(1)} required=${policy.junkScore.toFixed(1)}${folded}`;
  const level = "*".repeat(Math.max(0, Math.min(50, Math.floor(score))));
  return [
    ...(junk ? [{ name: "X-Spam-Flag", value: "YES" }] : []),
    { name: "X-Spam-Status", value: status },
    { name: "X-Spam-Score", value: score.toFixed(1) },
    ...(level === "" ? [] : [{ name: "X-Spam-Level", value: level }]),
  ];
}
