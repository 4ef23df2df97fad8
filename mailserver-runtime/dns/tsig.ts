/**
 * Transaction signatures (RFC 8945): a message and its answer signed with a secret that both sides share, so that a name
 * server takes updates from its owner alone, and the owner believes the server alone. Pure: octets in, octets out.
 */
import { createHmac, timingSafeEqual } from "node:crypto";
import { domainName } from "./records.ts";
import { encodeName, readName } from "./wire-name.ts";

/** HMAC algorithms by their DNS name (RFC 8945 §6); those with MD5 and SHA-1 are left out. */
const ALGORITHMS = {
  "hmac-sha256": "sha256",
  "hmac-sha384": "sha384",
  "hmac-sha512": "sha512",
} as const;
export type TsigAlgorithm = keyof typeof ALGORITHMS;

export interface TsigKey {
  readonly name: string;
  readonly algorithm: TsigAlgorithm;
  /** Base64, as keymgr and tsig-keygen print it. */
  readonly secret: string;
}

/** A signed message, and the MAC its answer must build on. */
export interface SignedMessage {
  readonly octets: Buffer;
  readonly mac: Buffer;
}

/**
 * - `unsigned`: the answer carries no signature, or not as its last record.
 * - `bad-signature`: the MAC or the key is not ours.
 * - `bad-key`: the server does not know the key. `bad-time`: its clock differs by more than the fudge.
 */
export type TsigVerdict = "good" | "unsigned" | "bad-signature" | "bad-key" | "bad-time";

const TYPE_TSIG = 250;
const CLASS_ANY = 255;
/** Seconds that clocks may differ (RFC 8945 §10 recommends 300). */
const FUDGE = 300;
const ERRORS: Readonly<Record<number, TsigVerdict>> = { 16: "bad-signature", 17: "bad-key", 18: "bad-time" };

/** Signs a request. `now` in seconds since the epoch. */
export function sign(message: Buffer, key: TsigKey, now: number): SignedMessage {
  const variables = timers(now, FUDGE);
  const mac = digest(key, [message, variablesOf(key, variables, 0, Buffer.alloc(0))]);
  const rdata = Buffer.concat([
    encodeName(key.algorithm),
    variables,
    uint16(mac.length),
    mac,
    message.subarray(0, 2),
    uint16(0),
    uint16(0),
  ]);
  const octets = Buffer.concat([
    message,
    encodeName(domainName(key.name)),
    uint16(TYPE_TSIG),
    uint16(CLASS_ANY),
    Buffer.alloc(4),
    uint16(rdata.length),
    rdata,
  ]);
  octets.writeUInt16BE(octets.readUInt16BE(10) + 1, 10);
  return { octets, mac };
}

/** Checks an answer's signature against the request's MAC (RFC 8945 §5.3). Never throws. */
export function verify(answer: Buffer, key: TsigKey, requestMac: Buffer, now: number): TsigVerdict {
  try {
    const at = lastAdditional(answer);
    if (at === undefined) return "unsigned";
    return verifyAt(answer, at, key, requestMac, now);
  } catch (error) {
    // Reading beyond the end: the octets are no message with a signature.
    if (error instanceof RangeError) return "unsigned";
    throw error;
  }
}

function verifyAt(answer: Buffer, at: number, key: TsigKey, requestMac: Buffer, now: number): TsigVerdict {
  const owner = readName(answer, at);
  if (answer.readUInt16BE(owner.end) !== TYPE_TSIG) return "unsigned";
  const algorithm = readName(answer, owner.end + 10);
  let offset = algorithm.end;
  const time = answer.readUIntBE(offset, 6);
  const fudge = answer.readUInt16BE(offset + 6);
  const macLength = answer.readUInt16BE(offset + 8);
  offset += 10;
  const mac = answer.subarray(offset, offset + macLength);
  offset += macLength;
  const originalId = answer.readUInt16BE(offset);
  const error = answer.readUInt16BE(offset + 2);
  const other = answer.subarray(offset + 6, offset + 6 + answer.readUInt16BE(offset + 4));
  // BADSIG and BADKEY come unsigned (§5.3.2): believed only so far that the update counts as failed.
  if (mac.length === 0) return ERRORS[error] ?? "bad-signature";
  if (owner.name !== domainName(key.name) || algorithm.name !== key.algorithm) return "bad-signature";

  const signed = Buffer.from(answer.subarray(0, at));
  signed.writeUInt16BE(originalId, 0);
  signed.writeUInt16BE(signed.readUInt16BE(10) - 1, 10);
  const expected = digest(key, [
    uint16(requestMac.length),
    requestMac,
    signed,
    variablesOf(key, timers(time, fudge), error, other),
  ]);
  if (mac.length !== expected.length || !timingSafeEqual(mac, expected)) return "bad-signature";
  if (error !== 0) return ERRORS[error] ?? "bad-signature";
  return Math.abs(now - time) > fudge ? "bad-time" : "good";
}

/** The TSIG variables that are digested (RFC 8945 §4.3.3). */
function variablesOf(key: TsigKey, time: Buffer, error: number, other: Buffer): Buffer {
  return Buffer.concat([
    encodeName(domainName(key.name)),
    uint16(CLASS_ANY),
    Buffer.alloc(4),
    encodeName(key.algorithm),
    time,
    uint16(error),
    uint16(other.length),
    other,
  ]);
}

function digest(key: TsigKey, parts: readonly Buffer[]): Buffer {
  const hmac = createHmac(ALGORITHMS[key.algorithm], Buffer.from(key.secret, "base64"));
  for (const part of parts) hmac.update(part);
  return hmac.digest();
}

function timers(time: number, fudge: number): Buffer {
  const octets = Buffer.alloc(8);
  octets.writeUIntBE(time, 0, 6);
  octets.writeUInt16BE(fudge, 6);
  return octets;
}

/** Where the last record of the additional section begins; undefined when there is none. */
function lastAdditional(message: Buffer): number | undefined {
  const counts = [4, 6, 8, 10].map((at) => message.readUInt16BE(at));
  const [questions = 0, answers = 0, authorities = 0, additionals = 0] = counts;
  if (additionals === 0) return undefined;
  let at = 12;
  for (let question = 0; question < questions; question++) at = readName(message, at).end + 4;
  for (let record = 1; record < answers + authorities + additionals; record++) {
    const { end } = readName(message, at);
    at = end + 10 + message.readUInt16BE(end + 8);
  }
  return at;
}

function uint16(value: number): Buffer {
  const octets = Buffer.alloc(2);
  octets.writeUInt16BE(value);
  return octets;
}
