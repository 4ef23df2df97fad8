/**
 * Where a session's answers are assembled: bytes written into a Buffer, never objects collected for a join.
 *
 * A Buffer is handed to the connection when it is full and a new one begun, so nothing is copied twice and
 * an idle session holds none. A long answer asks `mustPause` now and then; `pause` waits until the peer has
 * taken what was written, and lets other sessions have their turn.
 */
import type { Connection } from "../net/connection.ts";

/** A full Buffer is sent at this size. */
const FULL = 64 * 1024;
/** The first Buffer of an answer; most answers fit. */
const FIRST = 4 * 1024;
/** After so many bytes without waiting for the peer the writer waits. */
const HIGH_WATER = 256 * 1024;
/** A loop that ran this long lets others run (milliseconds). */
const TURN = 5;
/** Short pieces are copied by hand: cheaper than a call into the runtime. */
const SHORT = 40;

/** Where bytes go. */
type Target = Pick<Connection, "write" | "drained">;

export class Output {
  #connection: Target;
  readonly #timeoutMs: number;
  #buffer: Buffer | undefined;
  #length = 0;
  #sinceDrain = 0;
  #turnBegan = 0;
  #checks = 0;

  constructor(connection: Target, timeoutMs: number) {
    this.#connection = connection;
    this.#timeoutMs = timeoutMs;
  }

  speakThrough(connection: Target): void {
    this.flush();
    this.#connection = connection;
  }

  /** A piece that is already bytes; copied. */
  bytes(piece: Buffer): void {
    const { length } = piece;
    if (length > FULL / 2) {
      this.flush();
      this.#sinceDrain += length;
      this.#connection.write(piece);
      return;
    }
    const buffer = this.#room(length);
    let at = this.#length;
    if (length <= SHORT) for (let index = 0; index < length; index += 1) buffer[at++] = piece[index]!;
    else {
      buffer.set(piece, at);
      at += length;
    }
    this.#length = at;
  }

  /** Text of which every character is one byte. */
  text(piece: string): void {
    const { length } = piece;
    if (length > FULL / 2) {
      this.bytes(Buffer.from(piece, "latin1"));
      return;
    }
    const buffer = this.#room(length);
    let at = this.#length;
    if (length <= SHORT) {
      for (let index = 0; index < length; index += 1) buffer[at++] = piece.charCodeAt(index);
      this.#length = at;
    } else {
      buffer.write(piece, at, "latin1");
      this.#length = at + length;
    }
  }

  /** A number above or equal to zero. */
  number(value: number): void {
    if (value > 0xffffffff) {
      this.text(`${value}`);
      return;
    }
    const buffer = this.#room(10);
    let digits = 1;
    for (let limit = 10; digits < 10 && value >= limit; limit *= 10) digits += 1;
    let at = this.#length + digits;
    this.#length = at;
    let rest = value >>> 0;
    do {
      const next = (rest / 10) >>> 0;
      at -= 1;
      buffer[at] = 0x30 + (rest - next * 10);
      rest = next;
    } while (rest > 0);
  }

  /** A string as quoted where it can be, else as a literal (RFC 9051 §4.3). */
  string(piece: Buffer): void {
    if (quotable(piece)) {
      this.#quoted(piece.toString("latin1"));
    } else {
      this.text(`{${piece.length}}\r\n`);
      this.bytes(piece);
    }
  }

  /** The same of a latin1 string; NIL when there is none. */
  nstring(piece: string | undefined): void {
    if (piece === undefined) this.text("NIL");
    else if (/^[\x20\x21\x23-\x5b\x5d-\x7e]*$/.test(piece)) {
      this.text('"');
      this.text(piece);
      this.text('"');
    } else this.string(Buffer.from(piece, "latin1"));
  }

  /** A mailbox name or other astring: an atom where it can be, else a string. */
  astring(piece: Buffer): void {
    const text = piece.toString("latin1");
    if (/^[!#$&'+,\-./0-9:;<=>?@A-Z[^_`a-z|}~]+$/.test(text) && text.toUpperCase() !== "NIL") this.text(text);
    else this.string(piece);
  }

  /** A quoted string in UTF-8, for clients that enabled it. */
  quotedUtf8(piece: Buffer): void {
    this.#quoted(piece.toString("latin1"));
  }

  #quoted(text: string): void {
    this.text('"');
    this.text(/["\\]/.test(text) ? text.replace(/["\\]/g, "\\$&") : text);
    this.text('"');
  }

  /** Hands what there is to the connection. */
  flush(): void {
    if (!this.#buffer || this.#length === 0) return;
    this.#connection.write(this.#buffer.subarray(0, this.#length));
    this.#sinceDrain += this.#length;
    this.#buffer = undefined;
    this.#length = 0;
  }

  /** A long loop begins. */
  beginTurn(): void {
    this.#turnBegan = performance.now();
    this.#checks = 0;
  }

  /** Whether a long loop should await `pause` now; cheap enough to ask for each message. */
  mustPause(): boolean {
    if (this.#sinceDrain >= HIGH_WATER) return true;
    this.#checks += 1;
    return (this.#checks & 63) === 0 && this.isOverdue();
  }

  /** The same by the clock alone, for loops whose every round is long. */
  isOverdue(): boolean {
    return performance.now() - this.#turnBegan > TURN;
  }

  /** Waits for the peer and for the other sessions. Rejects with ConnectionError when the peer is gone. */
  async pause(): Promise<void> {
    if (this.#sinceDrain >= HIGH_WATER) {
      this.#sinceDrain = 0;
      await this.#connection.drained(this.#timeoutMs);
    }
    await new Promise<void>((resolve) => setImmediate(resolve));
    this.beginTurn();
  }

  #room(bytes: number): Buffer {
    if (this.#buffer && this.#buffer.length - this.#length >= bytes) return this.#buffer;
    const first = this.#buffer === undefined && this.#sinceDrain === 0;
    this.flush();
    this.#buffer = Buffer.allocUnsafeSlow(Math.max(bytes, first ? FIRST : FULL));
    return this.#buffer;
  }

  /** An answer is complete: send it, and count the next one from the beginning. */
  endAnswer(): void {
    this.flush();
    if (this.#sinceDrain < HIGH_WATER) this.#sinceDrain = 0;
  }
}

/** Whether bytes may stand in a quoted string: printable ASCII, and short. */
function quotable(piece: Buffer): boolean {
  if (piece.length > 1000) return false;
  for (let index = 0; index < piece.length; index += 1) {
    const byte = piece[index]!;
    if (byte < 0x20 || byte > 0x7e) return false;
  }
  return true;
}
