/**
 * The first record of a TLS handshake (RFC 8446 §5.1, §4.1.2), looked at before the handshake begins and left to be read.
 *
 * The certificate is chosen by the name in it, and the whole context with it. Node's own way (SNICallback) takes a single
 * certificate of the context that it is given, so that one with ECDSA and RSA would show one of them alone.
 */
import { Buffer } from "node:buffer";

interface Readable {
  readChunk(max: number, timeoutMs: number): Promise<Buffer>;
  unread(bytes: Buffer): void;
}

const LONGEST_RECORD = 16_384 + 5;
const SERVER_NAME = 0;
const HOST_NAME = 0;

/** Reads the record, and puts it back. What is no handshake is put back just so. */
export async function readClientHello(connection: Readable, timeoutMs: number): Promise<Buffer> {
  const deadline = Date.now() + timeoutMs;
  let bytes: Buffer = Buffer.alloc(0);
  while (bytes.length < 5 || bytes.length < Math.min(5 + bytes.readUInt16BE(3), LONGEST_RECORD)) {
    const chunk = await connection.readChunk(65_536, Math.max(1, deadline - Date.now()));
    bytes = bytes.length === 0 ? Buffer.from(chunk) : Buffer.concat([bytes, chunk]);
    if (bytes[0] !== 22) break;
  }
  connection.unread(bytes);
  return bytes;
}

/** The host name that the client asks for (RFC 6066 §3); undefined where it names none, or the record is not understood. */
export function serverNameOf(record: Buffer): string | undefined {
  // Record header, message header, version and random come first.
  let at = 5 + 4 + 2 + 32;
  const sized = (bytes: 1 | 2): number | undefined => {
    if (at + bytes > record.length) return undefined;
    const size = record.readUIntBE(at, bytes);
    at += bytes;
    return size;
  };
  if (record[0] !== 22 || record[5] !== 1) return undefined;
  for (const bytes of [1, 2, 1] as const) {
    const size = sized(bytes);
    if (size === undefined) return undefined;
    at += size;
  }
  if (sized(2) === undefined) return undefined;
  for (;;) {
    const type = sized(2);
    const size = sized(2);
    if (type === undefined || size === undefined || at + size > record.length) return undefined;
    if (type === SERVER_NAME) return nameIn(record.subarray(at, at + size));
    at += size;
  }
}

function nameIn(extension: Buffer): string | undefined {
  if (extension.length < 5 || extension[2] !== HOST_NAME) return undefined;
  const name = extension.subarray(5, 5 + extension.readUInt16BE(3)).toString("latin1");
  return /^[\x21-\x7e]{1,255}$/.test(name) ? name : undefined;
}
