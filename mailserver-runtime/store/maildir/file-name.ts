/**
 * Maildir file names: `<unique>,S=<bytes>,W=<bytes with CRLF>[,D=<seconds>]:2,<letters>`.
 *
 * The base name (before the colon) is the message's identity and never changes; the letters after `:2,` are
 * its flags (D draft, F flagged, R answered, S seen, T deleted, a-z the keywords of dovecot-keywords).
 * Names are handled as latin1 strings, one character a byte, because nothing says they are UTF-8.
 *
 * Names we make start with the second the message came into the mailbox and carry an `R` in their unique
 * part, by which they are known again: their date is then `D=` or that second and needs no stat.
 */
import { randomBytes } from "node:crypto";
import { hostname } from "node:os";
import { Flag, KEYWORD_SHIFT } from "../mail-store.ts";

/** Letters of the system flags, ascending as the Maildir rules want them. */
const LETTERS: readonly (readonly [letter: string, bit: number])[] = [
  ["D", Flag.Draft],
  ["F", Flag.Flagged],
  ["R", Flag.Answered],
  ["S", Flag.Seen],
  ["T", Flag.Deleted],
];
/** Flag bit of each character code; 0 where it has none. */
const BIT_OF_CODE = new Uint32Array(256);
for (const [letter, bit] of LETTERS) BIT_OF_CODE[letter.charCodeAt(0)] = bit;
for (let i = 0; i < 26; i++) BIT_OF_CODE[97 + i] = (1 << (KEYWORD_SHIFT + i)) >>> 0;

/** What stands before the colon: the message's identity. */
export function baseName(file: string): string {
  const colon = file.indexOf(":");
  return colon < 0 ? file : file.slice(0, colon);
}

/** Flag bits of a file name's letters, keywords among them. */
export function flagsOf(file: string): number {
  const colon = file.indexOf(":");
  if (colon < 0 || file.charCodeAt(colon + 1) !== 50 /* 2 */ || file.charCodeAt(colon + 2) !== 44) return 0;
  let flags = 0;
  for (let i = colon + 3; i < file.length; i++) {
    const code = file.charCodeAt(i);
    if (code === 44) break;
    flags |= BIT_OF_CODE[code & 255]!;
  }
  return flags >>> 0;
}

/** The info part for these flags. Letters of the old name that mean nothing to us (`P`, say) are kept. */
export function infoFor(flags: number, oldFile: string): string {
  const letters: string[] = [];
  for (const [letter, bit] of LETTERS) if (flags & bit) letters.push(letter);
  const colon = oldFile.indexOf(":2,");
  if (colon >= 0) {
    for (let i = colon + 3; i < oldFile.length; i++) {
      const code = oldFile.charCodeAt(i);
      if (code === 44) break;
      if (BIT_OF_CODE[code & 255] === 0) letters.push(String.fromCharCode(code));
    }
    letters.sort();
  }
  const keywords = flags >>> KEYWORD_SHIFT;
  for (let i = 0; i < 26; i++) if (keywords & (1 << i)) letters.push(String.fromCharCode(97 + i));
  return `:2,${letters.join("")}`;
}

/** The number after `,<key>=` in the base name, or -1. */
export function field(base: string, key: "S" | "W" | "D"): number {
  const at = base.indexOf(`,${key}=`);
  if (at < 0) return -1;
  let value = 0;
  let i = at + 3;
  for (; i < base.length; i++) {
    const digit = base.charCodeAt(i) - 48;
    if (digit < 0 || digit > 9) break;
    value = value * 10 + digit;
  }
  const ended = i === base.length || base[i] === "," || base[i] === ":";
  return i > at + 3 && ended && value <= Number.MAX_SAFE_INTEGER ? value : -1;
}

const OWN = /^\d+\.M\d{6}P\d+Q\d+R[0-9a-f]{8}\./;
/** True when this server made the name, so that its sizes and dates are ours to believe. */
export function isOwn(base: string): boolean {
  return OWN.test(base);
}
/** The size of a file whose name we made and that is stored with CRLF line ends; -1 where that is not known. */
export function crlfSizeOf(base: string): number {
  const size = field(base, "S");
  return isOwn(base) && size === field(base, "W") ? size : -1;
}
/** The seconds a name starts with, or -1: when the message came into the mailbox. */
export function arrivalSeconds(base: string): number {
  const seconds = Number.parseInt(base, 10);
  return seconds >= 0 && seconds < 1e11 ? seconds : -1;
}
/** INTERNALDATE in milliseconds by the name alone, or -1 when only a stat can tell. */
export function dateOf(base: string): number {
  if (!isOwn(base)) return -1;
  const given = field(base, "D");
  return 1000 * (given >= 0 ? given : arrivalSeconds(base));
}

const host = hostname().replaceAll("/", "\\057").replaceAll(":", "\\072").replaceAll(",", "\\054");
/** Of this run of the server: all its processes write it into their names, beside their own number. */
let incarnation = randomBytes(4).toString("hex");
let sequence = 0;
export function serverIncarnation(): string {
  return incarnation;
}
/** Called by a worker before it makes a name: it belongs to the server whose incarnation this is. */
export function joinIncarnation(ofServer: string): void {
  incarnation = ofServer;
}
/** True when a process of this run of the server made the name. */
export function isOfThisServer(base: string): boolean {
  return base.includes(`R${incarnation}.`);
}

/**
 * A new base name. `size` is the bytes of the file, `crlfSize` those with CRLF line ends, `internalDate` in
 * milliseconds (whole seconds are kept).
 */
export function newBaseName(now: number, internalDate: number, size: number, crlfSize: number): string {
  const seconds = Math.floor(now / 1000);
  const micros = String((now % 1000) * 1000).padStart(6, "0");
  const dated = Math.max(0, Math.floor(internalDate / 1000));
  sequence++;
  return `${seconds}.M${micros}P${process.pid}Q${sequence}R${incarnation}.${host},S=${size},W=${crlfSize}${dated === seconds ? "" : `,D=${dated}`}`;
}

/** Order in which messages without a UID get one: by arrival second, then microsecond, then name. */
export function byArrival(a: string, b: string): number {
  const seconds = arrivalSeconds(a) - arrivalSeconds(b);
  if (seconds !== 0) return seconds;
  const micros = microsOf(a) - microsOf(b);
  if (micros !== 0) return micros;
  const order = sequenceOf(a) - sequenceOf(b);
  if (order !== 0) return order;
  return a < b ? -1 : a > b ? 1 : 0;
}
function microsOf(base: string): number {
  return Number(/^\d+\.M(\d+)/.exec(base)?.[1] ?? 0);
}
function sequenceOf(base: string): number {
  return Number(/^\d+\.M\d+P\d+Q(\d+)/.exec(base)?.[1] ?? 0);
}

/** A path of a latin1 file name: a string where that is exact, else bytes. */
export function pathOf(directory: string, file: string): string | Buffer {
  for (let i = 0; i < file.length; i++) {
    if (file.charCodeAt(i) > 126)
      return Buffer.concat([Buffer.from(`${directory}/`), Buffer.from(file, "latin1")]);
  }
  return `${directory}/${file}`;
}
