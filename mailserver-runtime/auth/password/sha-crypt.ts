/**
 * SHA-crypt, the `$5$` (SHA-256) and `$6$` (SHA-512) password hashes of Drepper's specification
 * (akkadia.org/drepper/SHA-crypt.txt, version 0.6): what DMS writes with `doveadm pw -s SHA512-CRYPT` and
 * what crypt(3) and Dovecot read.
 *
 * Synchronous and slow on purpose (5,000 rounds): only `pool.ts` calls it, from a thread of its own.
 */
import { hash } from "node:crypto";

/** Rounds where the hash names none. */
const DEFAULT_ROUNDS = 5000;
const MIN_ROUNDS = 1000;
/** The specification allows 999,999,999, which is a quarter of an hour of CPU for each login; nobody means that. */
export const MAX_ROUNDS = 2_000_000;
const MAX_SALT = 16;
/** The cost grows with the password's length; the longest anyone types is far below. */
export const MAX_PASSWORD_BYTES = 512;

interface Variant {
  readonly algorithm: "sha256" | "sha512";
  readonly prefix: string;
  readonly size: number;
  /** Order in which the digest's bytes are written, three to a group of four characters. */
  readonly order: readonly (readonly [number, number, number])[];
  /** Characters for the bytes that remain. */
  readonly rest: { readonly bytes: readonly [number, number, number]; readonly characters: number };
}

/** -1 stands for a zero byte in the last, incomplete group. */
const variants: Record<"5" | "6", Variant> = {
  "5": {
    algorithm: "sha256",
    prefix: "$5$",
    size: 32,
    order: rotated([0, 10, 20], [2, 0, 1], 30),
    rest: { bytes: [-1, 31, 30], characters: 3 },
  },
  "6": {
    algorithm: "sha512",
    prefix: "$6$",
    size: 64,
    order: rotated([0, 21, 42], [1, 2, 0], 63),
    rest: { bytes: [-1, -1, 63], characters: 2 },
  },
};

const ALPHABET = "./0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

/**
 * The full `$5$…` or `$6$…` text of a password under the salt (and rounds) that `setting` names; `setting`
 * may be a finished hash, so `shaCrypt(password, stored) === stored` is the check.
 *
 * @throws {RangeError} when the setting is not one of SHA-crypt, asks for more than MAX_ROUNDS, or the
 *   password is longer than MAX_PASSWORD_BYTES.
 */
export function shaCrypt(password: Buffer, setting: string): string {
  const parts = /^\$([56])\$(?:rounds=(\d{1,10})\$)?([^$]*)/.exec(setting);
  const variant = parts?.[1] === "5" || parts?.[1] === "6" ? variants[parts[1]] : undefined;
  if (parts === null || variant === undefined)
    throw new RangeError("not a SHA-crypt hash: it must begin with $5$ or $6$");
  if (password.length > MAX_PASSWORD_BYTES)
    throw new RangeError(`a password has at most ${MAX_PASSWORD_BYTES} bytes`);
  const asked = parts[2] === undefined ? undefined : Number(parts[2]);
  if (asked !== undefined && asked > MAX_ROUNDS)
    throw new RangeError(`${asked} rounds are more than the ${MAX_ROUNDS} allowed here`);
  const rounds = Math.max(MIN_ROUNDS, asked ?? DEFAULT_ROUNDS);
  const salt = Buffer.from(parts[3] ?? "").subarray(0, MAX_SALT);
  const saltText = salt.toString();
  const named = asked === undefined ? "" : `rounds=${rounds}$`;
  return `${variant.prefix}${named}${saltText}$${encode(variant, digest(variant, password, salt, rounds))}`;
}

/** The specification's steps 1 to 21; the numbers are its own. */
function digest(variant: Variant, password: Buffer, salt: Buffer, rounds: number): Buffer {
  const { algorithm, size } = variant;
  const sum = (...parts: Buffer[]) => hash(algorithm, Buffer.concat(parts), "buffer");
  const b = sum(password, salt, password); // 4 to 8
  const a: Buffer[] = [password, salt, repeated(b, password.length)]; // 1 to 3, 9, 10
  for (let bits = password.length; bits > 0; bits >>= 1) a.push(bits & 1 ? b : password); // 11
  const current = sum(...a); // 12
  const p = repeated(sum(...Array<Buffer>(password.length).fill(password)), password.length); // 13 to 16
  const s = repeated(sum(...Array<Buffer>(16 + current[0]!).fill(salt)), salt.length); // 17 to 20
  // 21: every round hashes one of eight layouts of p, s and the last digest, so they are laid out once and
  // only the digest is filled in again. It travels as a string of bytes: making a Buffer for each digest takes
  // longer than SHA-512 itself (2.4 µs a round, against 0.7 µs).
  const layouts = Array.from({ length: 8 }, (_, kind) =>
    layout((kind & 1) !== 0, (kind & 2) !== 0, (kind & 4) !== 0, p, s, size),
  );
  let text = current.toString("latin1");
  for (let round = 0; round < rounds; round++) {
    const kind = (round & 1) | (round % 3 === 0 ? 0 : 2) | (round % 7 === 0 ? 0 : 4);
    const { bytes, at } = layouts[kind]!;
    bytes.write(text, at, "latin1");
    text = hash(algorithm, bytes, "binary");
  }
  return Buffer.from(text, "latin1");
}

/** One round's message with room for the last digest at `at`. */
function layout(odd: boolean, salted: boolean, sevens: boolean, p: Buffer, s: Buffer, size: number) {
  const room = Buffer.alloc(size);
  const parts = [odd ? p : room];
  if (salted) parts.push(s);
  if (sevens) parts.push(p);
  parts.push(odd ? room : p);
  const bytes = Buffer.concat(parts);
  return { bytes, at: odd ? bytes.length - size : 0 };
}

function repeated(block: Buffer, length: number): Buffer {
  const out = Buffer.alloc(length);
  for (let at = 0; at < length; at += block.length)
    block.copy(out, at, 0, Math.min(block.length, length - at));
  return out;
}

/** The byte order of step 22: each group is the one before, rotated, plus one. */
function rotated(
  first: readonly [number, number, number],
  turn: readonly [number, number, number],
  bytes: number,
): [number, number, number][] {
  const groups: [number, number, number][] = [];
  let group: [number, number, number] = [...first];
  for (let count = 0; count < bytes; count += 3) {
    groups.push(group);
    group = [group[turn[0]]! + 1, group[turn[1]]! + 1, group[turn[2]]! + 1];
  }
  return groups;
}

function encode(variant: Variant, bytes: Buffer): string {
  let text = "";
  const put = (group: readonly [number, number, number], characters: number) => {
    const [high, middle, low] = group.map((index) => (index < 0 ? 0 : bytes[index]!)) as [
      number,
      number,
      number,
    ];
    let value = (high << 16) | (middle << 8) | low;
    for (let left = characters; left > 0; left--, value >>>= 6) text += ALPHABET[value & 63];
  };
  for (const group of variant.order) put(group, 4);
  put(variant.rest.bytes, variant.rest.characters);
  return text;
}
