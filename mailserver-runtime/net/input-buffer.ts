/**
 * Bytes that have arrived and have not been asked for, as the chunks the kernel gave, joined only where a
 * line crosses from one chunk into the next.
 *
 * A line is found with `Buffer.indexOf` and each byte is looked at once, however many packets it came in.
 * Small chunks are packed together, so a peer that sends one byte a packet costs a few bytes for each, not a
 * Buffer object.
 */

const LF = 10;
const CR = 13;
/** Neighbouring chunks are packed together while their sum stays below this. */
const PACK = 8192;

export class InputBuffer {
  /** Bytes held. */
  length = 0;
  /** Whether the line given last ended in LF alone. */
  endedBare = false;
  #chunks: Buffer[] = [];
  /** Start of the unread bytes in the first chunk. */
  #start = 0;
  /** The memory behind the last chunk where small chunks were packed, and how much of it is used. */
  #packed: Buffer | undefined;
  #packedUsed = 0;
  /** So many unread bytes are known to hold no line end. */
  #scanned = 0;

  push(chunk: Buffer): void {
    if (chunk.length === 0) return;
    this.length += chunk.length;
    const last = this.#chunks.length - 1;
    if (last >= 0) {
      const tail = this.#chunks[last]!;
      const from = last === 0 ? this.#start : 0;
      if (tail.length - from + chunk.length <= PACK) {
        this.#pack(last, from === 0 ? tail : tail.subarray(from), chunk);
        return;
      }
    }
    this.#packed = undefined;
    this.#chunks.push(chunk);
  }

  /** Puts bytes in front of all others. */
  unshift(bytes: Buffer): void {
    if (bytes.length === 0) return;
    if (this.#start > 0) {
      this.#chunks[0] = this.#chunks[0]!.subarray(this.#start);
      this.#start = 0;
    }
    if (this.#chunks.length === 0) this.#packed = undefined;
    this.#chunks.unshift(bytes);
    this.length += bytes.length;
    this.#scanned = 0;
  }

  /** At most `max` bytes, without a copy; undefined when there are none. */
  take(max: number): Buffer | undefined {
    const first = this.#chunks[0];
    if (first === undefined) return undefined;
    const end = Math.min(first.length, this.#start + max);
    const taken = this.#start === 0 && end === first.length ? first : first.subarray(this.#start, end);
    this.#advance(taken.length);
    return taken;
  }

  /**
   * The next line without its line end; undefined when it is not complete yet, "too-long" when more than
   * `limit` bytes stand before its end. With `bareLf` false, an LF without CR is a byte like any other.
   */
  line(limit: number, bareLf: boolean): Buffer | "too-long" | undefined {
    let before = 0;
    for (let index = 0; index < this.#chunks.length; index++) {
      const chunk = this.#chunks[index]!;
      const from = index === 0 ? this.#start : 0;
      const size = chunk.length - from;
      if (before + size <= this.#scanned) {
        before += size;
        continue;
      }
      let at = from + Math.max(0, this.#scanned - before);
      for (;;) {
        at = chunk.indexOf(LF, at);
        if (at === -1) break;
        const length = before + at - from;
        const crlf = length > 0 && this.#byteBefore(index, at) === CR;
        if (crlf || bareLf) return this.#cut(length, crlf, limit);
        at++;
      }
      before += size;
      this.#scanned = before;
      // One byte more than the limit may be the CR whose LF has not come yet.
      if (before > limit + 1) return "too-long";
    }
    return undefined;
  }

  clear(): void {
    this.#chunks = [];
    this.#packed = undefined;
    this.#start = 0;
    this.#scanned = 0;
    this.length = 0;
  }

  /** Joins a chunk to the last one. Views given out before stay as they are: only free space is written. */
  #pack(last: number, tail: Buffer, chunk: Buffer): void {
    if (this.#packed === undefined || this.#packedUsed + chunk.length > PACK) {
      this.#packed = Buffer.allocUnsafeSlow(PACK);
      this.#packedUsed = tail.copy(this.#packed);
    }
    const used = this.#packedUsed + chunk.copy(this.#packed, this.#packedUsed);
    this.#chunks[last] = this.#packed.subarray(this.#packedUsed - tail.length, used);
    this.#packedUsed = used;
    if (last === 0) this.#start = 0;
  }

  #byteBefore(index: number, at: number): number {
    if (at > (index === 0 ? this.#start : 0)) return this.#chunks[index]![at - 1]!;
    const previous = this.#chunks[index - 1]!;
    return previous[previous.length - 1]!;
  }

  /** Takes `length` bytes and the LF after them; the CR before it is dropped too. */
  #cut(length: number, crlf: boolean, limit: number): Buffer | "too-long" {
    const lineLength = crlf ? length - 1 : length;
    if (lineLength > limit) return "too-long";
    this.endedBare = !crlf;
    const first = this.#chunks[0]!;
    if (this.#start + length < first.length) {
      const line = first.subarray(this.#start, this.#start + lineLength);
      this.#advance(length + 1);
      return line;
    }
    const pieces: Buffer[] = [];
    for (let wanted = length + 1; wanted > 0; ) {
      const piece = this.take(wanted)!;
      pieces.push(piece);
      wanted -= piece.length;
    }
    return Buffer.concat(pieces).subarray(0, lineLength);
  }

  #advance(count: number): void {
    this.#start += count;
    this.length -= count;
    this.#scanned = Math.max(0, this.#scanned - count);
    if (this.#start >= this.#chunks[0]!.length) {
      this.#chunks.shift();
      this.#start = 0;
      if (this.#chunks.length === 0) this.#packed = undefined;
    }
  }
}
