/**
 * What a server means by a temporary refusal, read from its words: SMTP has one code for "you are too fast", "I do not
 * know you yet" and "the disk is full" (RFC 5321 §4.2.1), and they want different answers. Pure.
 */

export interface Deferral {
  /**
   * `rate`: this server's mail as a whole is too much for it now. `greylist`: it wants to see this message again.
   * `other`: trouble of its own, or of one mailbox.
   */
  readonly kind: "rate" | "greylist" | "other";
  /** How long the server asks to wait; milliseconds. */
  readonly waitMs?: number;
}

/** What a server asks for is heard within these bounds. */
const SHORTEST_MS = 1000;
const LONGEST_MS = 4 * 3_600_000;

/** RFC 3463 x.2.x is about one mailbox, and x.3.1 about the disk: neither says anything of us. */
const ONE_MAILBOX = /\b4\.2\.\d+\b|\b4\.3\.1\b/;
const GREYLIST = /gr[ea]y[-_ ]?list/i;
const RATE =
  /rate[- ]?limit|throttl|too (?:many|much|fast|frequent)|unusual rate|(?:exceed|excessive).{0,40}(?:limit|rate|connection|message|mail)|(?:limit|rate|quota).{0,30}exceed|(?:connection|message|concurrency|sending|hourly|daily) (?:rate|limit)|(?:temporar|deferr).{0,60}(?:complaint|reputation|volume)|reduce (?:your|the) (?:rate|sending)|slow down|server busy|\b4\.7\.28\b|\[TSS\d+\]/i;

const UNIT_MS: Readonly<Record<string, number>> = { s: 1000, m: 60_000, h: 3_600_000 };
const STATED =
  /(?:again|retry|back|wait|for|in|after|within|until)\W+(?:(?:again|back|in|after|for|at least|another|about|approximately|another)\W+)*(\d{1,6})\s*(s(?:ec(?:ond)?s?)?|m(?:in(?:ute)?s?)?|h(?:(?:ou)?rs?)?)\b/i;
const CLOCK = /\b(\d{1,2}):([0-5]\d):([0-5]\d)\b/;

/** Reads the text of a 4xx reply, or of a connection that was refused with one. */
export function readDeferral(text: string): Deferral {
  const waitMs = statedWait(text);
  const known = waitMs === undefined ? {} : { waitMs };
  if (GREYLIST.test(text)) return { kind: "greylist", ...known };
  if (RATE.test(text) && !ONE_MAILBOX.test(text)) return { kind: "rate", ...known };
  return { kind: "other", ...known };
}

/** "try again in 5 minutes", "greylisted for 300 seconds", "come back in 00:04:59". */
function statedWait(text: string): number | undefined {
  const [, hours, minutes, seconds] = CLOCK.exec(text) ?? [];
  const [, amount, unit = ""] = STATED.exec(text) ?? [];
  const ms =
    amount !== undefined
      ? Number(amount) * (UNIT_MS[unit.charAt(0).toLowerCase()] ?? 0)
      : hours !== undefined
        ? (Number(hours) * 3600 + Number(minutes) * 60 + Number(seconds)) * 1000
        : 0;
  return ms >= SHORTEST_MS ? Math.min(ms, LONGEST_MS) : undefined;
}
