/**
 * The PROXY protocol, versions 1 (text) and 2 (binary), as HAProxy's specification (proxy-protocol.txt)
 * has it: the header with which a load balancer tells the client's real address.
 *
 * Pure: bytes in, a verdict out. Who may send a header is the listener's matter (DESIGN D9).
 */
import { isIPv4, isIPv6 } from "node:net";
import { normalAddress } from "./address.ts";

export interface Endpoint {
  readonly address: string;
  readonly port: number;
}
export type ProxyHeader =
  | { readonly kind: "incomplete" }
  | { readonly kind: "invalid"; readonly reason: string }
  /** `source` is undefined where the proxy speaks for itself (v1 UNKNOWN, v2 LOCAL): the socket's own addresses hold. */
  | {
      readonly kind: "header";
      readonly length: number;
      readonly source?: Endpoint;
      readonly destination?: Endpoint;
    };

/** Longest version 1 line with its CRLF (proxy-protocol.txt §2.1). */
const V1_LONGEST = 107;
/** Longest version 2 header taken: addresses and a few TLVs; the format would allow 64 KiB. */
const V2_LONGEST = 4096;
const V2_SIGNATURE = Buffer.from("\r\n\r\n\0\r\nQUIT\n", "latin1");
const V1_START = Buffer.from("PROXY ", "latin1");

/** Reads the header at the beginning of `bytes`. */
export function parseProxyHeader(bytes: Buffer): ProxyHeader {
  if (startsAlike(bytes, V2_SIGNATURE)) return bytes.length < 16 ? { kind: "incomplete" } : version2(bytes);
  if (startsAlike(bytes, V1_START)) return version1(bytes);
  return invalid("no PROXY header");
}

function invalid(reason: string): ProxyHeader {
  return { kind: "invalid", reason };
}
/** Whether the bytes so far could be the beginning of something that starts with `start`. */
function startsAlike(bytes: Buffer, start: Buffer): boolean {
  const length = Math.min(bytes.length, start.length);
  return bytes.compare(start, 0, length, 0, length) === 0;
}

function version1(bytes: Buffer): ProxyHeader {
  const end = bytes.subarray(0, V1_LONGEST).indexOf("\r\n", 0, "latin1");
  if (end === -1)
    return bytes.length < V1_LONGEST ? { kind: "incomplete" } : invalid("PROXY line longer than 107 bytes");
  const length = end + 2;
  const fields = bytes.toString("latin1", 0, end).split(" ");
  const [, family, from = "", to = "", fromPort = "", toPort = ""] = fields;
  if (family === "UNKNOWN") return { kind: "header", length };
  if (family !== "TCP4" && family !== "TCP6") return invalid("PROXY family is not TCP4, TCP6 or UNKNOWN");
  const isAddress = family === "TCP4" ? isIPv4 : isIPv6;
  if (fields.length !== 6 || !isAddress(from) || !isAddress(to)) return invalid("PROXY addresses are wrong");
  if (!isPort(fromPort) || !isPort(toPort)) return invalid("PROXY ports are wrong");
  return {
    kind: "header",
    length,
    source: { address: normalAddress(from), port: Number(fromPort) },
    destination: { address: normalAddress(to), port: Number(toPort) },
  };
}
function isPort(text: string): boolean {
  return /^(0|[1-9]\d{0,4})$/.test(text) && Number(text) <= 65535;
}

function version2(bytes: Buffer): ProxyHeader {
  const command = bytes[12]!;
  if (command >> 4 !== 2) return invalid("PROXY version is not 2");
  if ((command & 15) > 1) return invalid("PROXY command is neither LOCAL nor PROXY");
  const length = 16 + bytes.readUInt16BE(14);
  if (length > V2_LONGEST) return invalid(`PROXY header longer than ${V2_LONGEST} bytes`);
  if (bytes.length < length) return { kind: "incomplete" };
  if ((command & 15) === 0) return { kind: "header", length };
  const family = bytes[13]!;
  const width = family === 0x11 ? 4 : family === 0x21 ? 16 : 0;
  if (family === 0) return { kind: "header", length };
  if (width === 0) return invalid("PROXY family is not TCP over IPv4 or IPv6");
  if (length < 16 + 2 * width + 4) return invalid("PROXY addresses are cut short");
  return {
    kind: "header",
    length,
    source: {
      address: addressOf(bytes.subarray(16, 16 + width)),
      port: bytes.readUInt16BE(16 + 2 * width),
    },
    destination: {
      address: addressOf(bytes.subarray(16 + width, 16 + 2 * width)),
      port: bytes.readUInt16BE(18 + 2 * width),
    },
  };
}
function addressOf(bytes: Buffer): string {
  if (bytes.length === 4) return bytes.join(".");
  const groups = Array.from({ length: 8 }, (_, index) => bytes.readUInt16BE(2 * index).toString(16));
  const mapped = groups.slice(0, 5).every((group) => group === "0") && groups[5] === "ffff";
  if (mapped) return bytes.subarray(12).join(".");
  // The URL parser writes IPv6 in the canonical form of RFC 5952.
  return new URL(`http://[${groups.join(":")}]/`).hostname.slice(1, -1);
}
