/**
 * Packets of the milter protocol, version 6, as libmilter's mfdef.h defines them: a length of four bytes (big-endian), a
 * command's letter, its data. Strings end in NUL.
 */
import { EngineError } from "../engine.ts";
import type { Link } from "../link.ts";

export interface Packet {
  /** One letter. */
  readonly command: string;
  readonly data: Buffer;
}

/** What a milter may send at once: a body chunk of the largest size that it may ask for, and some. */
const MAX_PACKET = 1_048_576 + 65_536;

export function packet(command: string, ...data: readonly (Buffer | string)[]): Buffer {
  const parts = data.map((part) => (typeof part === "string" ? Buffer.from(part, "latin1") : part));
  const head = Buffer.alloc(5);
  head.writeUInt32BE(1 + parts.reduce((sum, part) => sum + part.length, 0));
  head.write(command, 4, "latin1");
  return Buffer.concat([head, ...parts]);
}
/** Text as its UTF-8 bytes without NUL, and the NUL that ends it. */
export const nulEnded = (text: string): Buffer => Buffer.from(`${text.replaceAll("\0", "")}\0`, "utf8");
export function number32(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(value >>> 0);
  return bytes;
}

/** Throws EngineError. */
export async function readPacket(link: Link): Promise<Packet> {
  const length = (await link.bytes(4)).readUInt32BE();
  if (length < 1 || length > MAX_PACKET)
    throw new EngineError("nonsense", `it sent a packet of ${length} bytes`);
  const bytes = await link.bytes(length);
  return { command: bytes.toString("latin1", 0, 1), data: bytes.subarray(1) };
}

/** Strings of a packet's data, as latin1; what stands behind the last NUL counts as one more. */
export function stringsOf(data: Buffer): readonly string[] {
  const text = data.toString("latin1");
  const parts = text.split("\0");
  if (parts.at(-1) === "") parts.pop();
  return parts;
}
