/** Dates as IMAP writes them (RFC 9051 §9 date and date-time). */
import type { Cursor } from "./cursor.ts";
import { GrammarError } from "./cursor.ts";

const MONTHS = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
export const DAY = 86_400_000;

const DATE = /^"?(\d{1,2})-([A-Za-z]{3})-(\d{4})"?$/;
const DATE_TIME = /^([ \d]\d)-([A-Za-z]{3})-(\d{4}) (\d\d):(\d\d):(\d\d) ([+-])(\d\d)(\d\d)$/;

/** `1-Feb-1994`, quoted or not, as a count of days since 1970-01-01. */
export function parseDate(cursor: Cursor): number {
  const text = cursor.sees('"') ? cursor.string().toString("latin1") : cursor.atom();
  const match = DATE.exec(text);
  const time = match ? midnight(match[3]!, match[2]!, match[1]!) : undefined;
  if (time === undefined) throw new GrammarError("expected a date such as 1-Feb-1994");
  return time / DAY;
}

/** `" 1-Feb-1994 21:52:25 -0800"`. */
export function parseDateTime(cursor: Cursor): Date {
  const match = DATE_TIME.exec(cursor.string().toString("latin1"));
  const day = match ? midnight(match[3]!, match[2]!, match[1]!.trim()) : undefined;
  if (!match || day === undefined) {
    throw new GrammarError('expected a date and time such as " 1-Feb-1994 21:52:25 -0800"');
  }
  const [hours, minutes, seconds, zoneHours, zoneMinutes] = [4, 5, 6, 8, 9].map((index) =>
    Number(match[index]),
  ) as [number, number, number, number, number];
  if (hours > 23 || minutes > 59 || seconds > 60 || zoneMinutes > 59) {
    throw new GrammarError("that time of day does not exist");
  }
  const zone = (zoneHours * 60 + zoneMinutes) * 60_000 * (match[7] === "-" ? -1 : 1);
  return new Date(day + (hours * 60 + minutes) * 60_000 + seconds * 1000 - zone);
}

function midnight(year: string, month: string, day: string): number | undefined {
  const index = MONTHS.findIndex((name) => name.toLowerCase() === month.toLowerCase());
  if (index < 0) return undefined;
  const date = new Date(0);
  date.setUTCFullYear(Number(year), index, Number(day));
  return date.getUTCDate() === Number(day) && date.getUTCMonth() === index ? date.getTime() : undefined;
}

const two = (value: number) => (value < 10 ? `0${value}` : `${value}`);

/** INTERNALDATE in UTC, without the quotes: `01-Feb-1994 21:52:25 +0000`. */
export function formatDateTime(time: number): string {
  const date = new Date(time);
  // A broken clock or file must not make a line no client can read.
  if (Number.isNaN(date.getTime()) || date.getUTCFullYear() < 0 || date.getUTCFullYear() > 9999) {
    return "01-Jan-1970 00:00:00 +0000";
  }
  const year = `${date.getUTCFullYear()}`.padStart(4, "0");
  return `${two(date.getUTCDate())}-${MONTHS[date.getUTCMonth()]}-${year} ${two(date.getUTCHours())}:${two(date.getUTCMinutes())}:${two(date.getUTCSeconds())} +0000`;
}

const MAIL_DATE =
  /^(?:[A-Za-z]{3,9},?\s*)?(\d{1,2})\s*[-\s]\s*([A-Za-z]{3})[a-z]*\s*[-\s]\s*(\d{2,4})(?:\s+(\d{1,2}):(\d\d)(?::(\d\d))?)?\s*(?:([+-])(\d\d)(\d\d)|([A-Za-z]{1,5}))?/;
/** RFC 5322 §4.3; others mean -0000. */
const ZONES: Record<string, number> = {
  EST: -300,
  EDT: -240,
  CST: -360,
  CDT: -300,
  MST: -420,
  MDT: -360,
  PST: -480,
  PDT: -420,
};

/** A Date field: the moment, and the day the sender wrote (SENTON ignores time and zone). */
export function parseMailDate(value: string): { readonly time: number; readonly day: number } | undefined {
  const match = MAIL_DATE.exec(
    value
      .slice(0, 200)
      .replace(/\([^()]*\)/g, " ")
      .trim(),
  );
  if (!match) return undefined;
  let year = Number(match[3]);
  // RFC 5322 §4.3: two and three digits.
  if (match[3]!.length === 2) year += year < 50 ? 2000 : 1900;
  else if (match[3]!.length === 3) year += 1900;
  const day = midnight(`${year}`, match[2]!, match[1]!);
  if (day === undefined) return undefined;
  const clock = (Number(match[4] ?? 0) * 60 + Number(match[5] ?? 0)) * 60_000 + Number(match[6] ?? 0) * 1000;
  const numeric = match[7]
    ? (Number(match[8]) * 60 + Number(match[9])) * (match[7] === "-" ? -1 : 1)
    : undefined;
  const zone = numeric ?? ZONES[(match[10] ?? "").toUpperCase()] ?? 0;
  return { time: day + clock - zone * 60_000, day: day / DAY };
}
