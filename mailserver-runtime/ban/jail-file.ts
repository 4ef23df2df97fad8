/**
 * DMS's fail2ban-jail.cf: an ini file of which `bantime`, `findtime`, `maxretry`, `ignoreip` and `enabled` mean
 * something here, in `[DEFAULT]` and in the jails of `offence.ts`. Other options and jails belong to the real
 * fail2ban and are passed over; a value that cannot be understood is a problem with its line, and left out.
 */
import { networkSchema } from "../settings/schema.ts";
import { type Jail, jails } from "./offence.ts";

export const JAIL_FILE = "fail2ban-jail.cf";

export interface JailOptions {
  readonly banSeconds?: number;
  readonly findSeconds?: number;
  readonly maxRetry?: number;
  readonly ignored?: readonly string[];
  readonly enabled?: boolean;
}
export interface JailFile {
  readonly defaults: JailOptions;
  readonly jails: ReadonlyMap<Jail, JailOptions>;
  readonly problems: readonly { readonly line: number; readonly reason: string }[];
}

export const emptyJailFile: JailFile = { defaults: {}, jails: new Map(), problems: [] };

/** Seconds of fail2ban's time units (its `str2seconds`). */
const units: Readonly<Record<string, number>> = {
  "": 1,
  s: 1,
  ss: 1,
  sec: 1,
  secs: 1,
  second: 1,
  seconds: 1,
  m: 60,
  mm: 60,
  min: 60,
  mins: 60,
  minute: 60,
  minutes: 60,
  h: 3600,
  hh: 3600,
  hour: 3600,
  hours: 3600,
  d: 86_400,
  dd: 86_400,
  day: 86_400,
  days: 86_400,
  w: 604_800,
  ww: 604_800,
  week: 604_800,
  weeks: 604_800,
  mo: 2_629_746,
  mon: 2_629_746,
  month: 2_629_746,
  months: 2_629_746,
  y: 31_556_952,
  yy: 31_556_952,
  year: 31_556_952,
  years: 31_556_952,
};

/** `600`, `10m`, `1h 30m`, `1w`; -1 is for ever (Infinity). Undefined for what is no time. */
export function seconds(text: string): number | undefined {
  const plain = text.trim().toLowerCase();
  if (/^-\d+$/.test(plain)) return Number.POSITIVE_INFINITY;
  if (!/^(?:\d+(?:\.\d+)?\s*[a-z]*\s*)+$/.test(plain.slice(0, 200))) return undefined;
  let sum = 0;
  for (const [, amount, unit = ""] of plain.slice(0, 200).matchAll(/(\d+(?:\.\d+)?)\s*([a-z]*)/g)) {
    const factor = Object.hasOwn(units, unit) ? units[unit] : undefined;
    if (factor === undefined) return undefined;
    sum += Number(amount) * factor;
  }
  return sum > 0 ? sum : undefined;
}

type Read = (value: string) => JailOptions | string;

const time =
  (name: "banSeconds" | "findSeconds"): Read =>
  (value) => {
    const read = seconds(value);
    return read === undefined ? `"${value}" is no time; write seconds, or 10m, 6h, 1w` : { [name]: read };
  };

const options: Readonly<Record<string, Read>> = {
  bantime: time("banSeconds"),
  findtime: time("findSeconds"),
  maxretry: (value) =>
    /^\d{1,6}$/.test(value) && Number(value) > 0
      ? { maxRetry: Number(value) }
      : `"${value}" is no count of 1 or more`,
  enabled: (value) =>
    /^(?:1|true|yes|on)$/i.test(value)
      ? { enabled: true }
      : /^(?:0|false|no|off)$/i.test(value)
        ? { enabled: false }
        : `"${value}" is neither true nor false`,
};

export function parseJailFile(text: string): JailFile {
  const problems: { line: number; reason: string }[] = [];
  const sections = new Map<string, JailOptions>();
  let section = "";
  for (const { line, text: logical } of logicalLines(text)) {
    const header = /^\[([^\]]+)\]\s*$/.exec(logical);
    if (header !== null) {
      section = header[1]!.trim();
      continue;
    }
    if (section !== "DEFAULT" && !isJail(section)) continue;
    const at = logical.search(/[=:]/);
    if (at < 0) {
      problems.push({ line, reason: "this is neither [jail] nor option = value" });
      continue;
    }
    const name = logical.slice(0, at).trim().toLowerCase();
    const value = logical.slice(at + 1).trim();
    const read = name === "ignoreip" ? ignored(value, line, problems) : options[name]?.(value);
    if (typeof read === "string") problems.push({ line, reason: `${name}: ${read}` });
    else if (read !== undefined) sections.set(section, { ...sections.get(section), ...read });
  }
  const found = [...sections].flatMap(([name, read]) => (isJail(name) ? [[name, read] as const] : []));
  return { defaults: sections.get("DEFAULT") ?? {}, jails: new Map(found), problems };
}

/** Names of hosts are looked up by the real fail2ban; here an answer that changes must not open a door. */
function ignored(
  value: string,
  line: number,
  problems: { line: number; reason: string }[],
): Pick<JailOptions, "ignored"> {
  const entries = value.split(/[\s,]+/).filter((entry) => entry !== "");
  const good = entries.filter((entry) => {
    if (networkSchema.safeParse(entry).success) return true;
    problems.push({ line, reason: `ignoreip: "${entry}" is no address and no network like 192.0.2.0/24` });
    return false;
  });
  return { ignored: good };
}

function isJail(name: string): name is Jail {
  return (jails as readonly string[]).includes(name);
}

/** Lines without comments; an indented line belongs to the one before. */
function logicalLines(text: string): { line: number; text: string }[] {
  const lines: { line: number; text: string }[] = [];
  for (const [index, raw] of text.split(/\r?\n/).entries()) {
    if (/^\s*(?:[#;]|$)/.test(raw)) continue;
    const plain = raw.replace(/\s;.*$/, "").trimEnd();
    const last = lines.at(-1);
    if (/^\s/.test(plain) && last !== undefined) last.text += ` ${plain.trim()}`;
    else lines.push({ line: index + 1, text: plain });
  }
  return lines;
}
