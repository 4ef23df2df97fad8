/** Names on the wire (RFC 1035 §3.1, §4.1.4), for what is signed octet by octet: written without compression. */

/** A canonical name as length-prefixed labels. */
export function encodeName(name: string): Buffer {
  const labels = name === "." ? [] : name.split(".");
  return Buffer.concat([
    ...labels.map((label) => Buffer.from(`${String.fromCharCode(label.length)}${label}`, "latin1")),
    Buffer.alloc(1),
  ]);
}

/**
 * The name at an offset, in lower case, and the offset behind it. Pointers may only lead back, so reading ends.
 *
 * @throws {RangeError} where the octets are no name
 */
export function readName(message: Buffer, offset: number): { readonly name: string; readonly end: number } {
  const labels: string[] = [];
  let at = offset;
  let lowest = offset;
  let end: number | undefined;
  for (;;) {
    const length = message.readUInt8(at);
    if (length === 0) break;
    if (length >= 0xc0) {
      end ??= at + 2;
      at = message.readUInt16BE(at) & 0x3fff;
      if (at >= lowest) throw new RangeError("a compression pointer does not lead back");
      lowest = at;
    } else if (length > 63) throw new RangeError("a label has no known type");
    else {
      const label = message.toString("latin1", at + 1, at + 1 + length);
      if (label.length !== length) throw new RangeError("a label ends behind the message");
      labels.push(label.toLowerCase());
      at += 1 + length;
    }
    if (labels.length > 127) throw new RangeError("a name has too many labels");
  }
  return { name: labels.length === 0 ? "." : labels.join("."), end: end ?? at + 1 };
}
