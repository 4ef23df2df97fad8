/** Addresses as bytes, so that a prefix is compared and not parsed again for each mechanism. */
import { isIPv4, isIPv6 } from "node:net";

/** Four or sixteen bytes in network order; undefined where the text is no address. Zones are not accepted. */
export function addressBytes(text: string): Uint8Array | undefined {
  if (isIPv4(text)) return Uint8Array.from(text.split("."), Number);
  if (!isIPv6(text) || text.includes("%")) return undefined;
  const [head = "", tail] = text.split("::");
  const left = groupsOf(head);
  const right = groupsOf(tail ?? "");
  const bytes = new Uint8Array(16);
  bytes.set(left, 0);
  bytes.set(right, 16 - right.length);
  return bytes;
}

/** Bytes of a client's address: one mapped into IPv6 (RFC 4291 §2.5.5.2) is the IPv4 address (RFC 7208 §5). */
export function clientBytes(text: string): Uint8Array | undefined {
  const bytes = addressBytes(text);
  if (bytes?.length !== 16 || bytes[10] !== 0xff || bytes[11] !== 0xff) return bytes;
  return bytes.subarray(0, 10).every((byte) => byte === 0) ? bytes.subarray(12) : bytes;
}

/** Whether two addresses of one family agree in their first `bits` bits; never where the families differ. */
export function sharesPrefix(left: Uint8Array, right: Uint8Array, bits: number): boolean {
  if (left.length !== right.length) return false;
  const whole = bits >> 3;
  for (let at = 0; at < whole; at++) if (left[at] !== right[at]) return false;
  const rest = bits & 7;
  return rest === 0 || (left[whole]! ^ right[whole]!) >> (8 - rest) === 0;
}

function groupsOf(text: string): number[] {
  if (text === "") return [];
  return text.split(":").flatMap((group) => {
    if (group.includes(".")) return group.split(".").map(Number);
    const value = Number.parseInt(group, 16);
    return [value >> 8, value & 255];
  });
}
