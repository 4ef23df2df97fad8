/**
 * Decoding Content-Transfer-Encoding in chunks (RFC 2045 §6): base64, quoted-printable, and what needs none.
 *
 * A decoder keeps a few bytes between chunks and nothing more, so parts of any size are decoded in little
 * memory. Damaged input gives the bytes that can be read, as mail readers do; it is never an error.
 */

export interface TransferDecoder {
  /** Decodes the next bytes; the result may be empty. */
  push(chunk: Buffer): Buffer;
  /** What was kept back. */
  end(): Buffer;
}

const NOTHING = Buffer.alloc(0);

/** A decoder for the (lower-case) encoding; undefined when the encoding is not known. */
export function transferDecoder(encoding: string): TransferDecoder | undefined {
  return Object.hasOwn(DECODERS, encoding) ? DECODERS[encoding]!() : undefined;
}

const identity = (): TransferDecoder => ({ push: (chunk) => chunk, end: () => NOTHING });
const DECODERS: Record<string, () => TransferDecoder> = {
  "7bit": identity,
  "8bit": identity,
  binary: identity,
  base64: () => new Base64Decoder(),
  "quoted-printable": () => new QuotedPrintableDecoder(),
};

/** Value of a base64 digit, 255 for everything that is none. */
const DIGITS = new Uint8Array(256).fill(255);
for (const [value, character] of [
  ..."ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/",
].entries()) {
  DIGITS[character.charCodeAt(0)] = value;
}

class Base64Decoder implements TransferDecoder {
  #bits = 0;
  #count = 0;

  push(chunk: Buffer): Buffer {
    const out = Buffer.allocUnsafe(((chunk.length + 4) * 3) >> 2);
    let length = 0;
    let bits = this.#bits;
    let count = this.#count;
    for (let index = 0; index < chunk.length; index += 1) {
      const byte = chunk[index]!;
      if (byte === 0x3d) {
        // Padding ends a quantum; joined base64 texts may go on behind it.
        bits = 0;
        count = 0;
        continue;
      }
      const value = DIGITS[byte]!;
      if (value === 255) continue;
      bits = ((bits << 6) | value) & 0xffffff;
      count += 6;
      if (count >= 8) {
        count -= 8;
        out[length++] = (bits >> count) & 0xff;
      }
    }
    this.#bits = bits;
    this.#count = count;
    return out.subarray(0, length);
  }

  end(): Buffer {
    return NOTHING;
  }
}

class QuotedPrintableDecoder implements TransferDecoder {
  #carry: Buffer = NOTHING;

  push(chunk: Buffer): Buffer {
    return this.#decode(this.#carry.length > 0 ? Buffer.concat([this.#carry, chunk]) : chunk, false);
  }

  end(): Buffer {
    return this.#decode(this.#carry, true);
  }

  #decode(bytes: Buffer, last: boolean): Buffer {
    const out = Buffer.allocUnsafe(bytes.length);
    let length = 0;
    let index = 0;
    this.#carry = NOTHING;
    while (index < bytes.length) {
      const byte = bytes[index]!;
      if (byte === 0x20 || byte === 0x09) {
        // White space at the end of a line is transport padding (RFC 2045 §6.7 rule 3).
        let end = index + 1;
        while (end < bytes.length && (bytes[end] === 0x20 || bytes[end] === 0x09)) end += 1;
        if (end === bytes.length && !last && end - index < MAX_PADDING) {
          this.#carry = Buffer.from(bytes.subarray(index));
          break;
        }
        const padding = end === bytes.length ? last : bytes[end] === 0x0d || bytes[end] === 0x0a;
        if (!padding) {
          bytes.copy(out, length, index, end);
          length += end - index;
        }
        index = end;
        continue;
      }
      if (byte !== 0x3d) {
        out[length++] = byte;
        index += 1;
        continue;
      }
      if (bytes.length - index < 3 && !last) {
        this.#carry = Buffer.from(bytes.subarray(index));
        break;
      }
      const high = HEX[bytes[index + 1] ?? 0]!;
      const low = HEX[bytes[index + 2] ?? 0]!;
      if (high < 16 && low < 16) {
        out[length++] = (high << 4) | low;
        index += 3;
        continue;
      }
      let end = index + 1;
      while (end < bytes.length && (bytes[end] === 0x20 || bytes[end] === 0x09)) end += 1;
      if (end === bytes.length && !last && end - index < MAX_PADDING) {
        this.#carry = Buffer.from(bytes.subarray(index));
        break;
      }
      if (bytes[end] === 0x0d && bytes[end + 1] === 0x0a) index = end + 2;
      else if (bytes[end] === 0x0a || bytes[end] === 0x0d) index = end + 1;
      else if (end >= bytes.length) index = end;
      else {
        out[length++] = byte;
        index += 1;
      }
    }
    return out.subarray(0, length);
  }
}

/** So much white space at most is held back between chunks. */
const MAX_PADDING = 1000;
const HEX = new Uint8Array(256).fill(255);
for (const [value, character] of [..."0123456789abcdef"].entries()) {
  HEX[character.charCodeAt(0)] = value;
  HEX[character.toUpperCase().charCodeAt(0)] = value;
}
