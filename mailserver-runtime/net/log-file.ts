/**
 * Where the log's lines end up: a file, or a descriptor that is open (standard output).
 *
 * The lines of a moment are written together, and nobody waits for the disk. A disk that is full or gone stops nothing: the
 * lines wait, up to a bound, what exceeds it is counted, and when writing succeeds again a line says how many were lost.
 * (pino's own destination ends the process there by an error nobody hears, and its flush then never returns.)
 */
import { closeSync, openSync, write, writeSync } from "node:fs";

/** How long a line may wait for others; a write of its own for each would cost more than making the line. */
const GATHER_MS = 20;
/** Characters at which lines wait no longer. */
const GATHER_SIZE = 16_384;
/** Characters that wait for a disk at most. */
const MOST_WAITING = 1_048_576;
const RETRY_MS = 1000;
/** Tries of `flush` where a pipe's reader is slow. */
const FLUSH_TRIES = 50;

export class LogFile {
  readonly #target: string | number;
  #descriptor: number;
  #waiting = "";
  #lost = 0;
  #isWriting = false;
  readonly #unused: number[] = [];
  #timer: NodeJS.Timeout | undefined;

  /** A path, or an open descriptor. Throws what the system says where the file cannot be opened. */
  constructor(target: string | number) {
    this.#target = target;
    this.#descriptor = opened(target);
  }

  /** Takes a line with its line end. */
  write(line: string): void {
    if (this.#waiting.length + line.length > MOST_WAITING) {
      this.#lost += 1;
      return;
    }
    this.#waiting += line;
    if (this.#waiting.length >= GATHER_SIZE && !this.#isWriting) this.#pass();
    else this.#passAfter(GATHER_MS);
  }

  /** Lines said before go to the file that was open then, as far as the system takes them; later ones to the one that has the name now. */
  reopen(): void {
    if (typeof this.#target === "number") return;
    this.flush();
    const before = this.#descriptor;
    this.#descriptor = opened(this.#target);
    // A number that a write under way still uses may not become another file's.
    if (this.#isWriting) this.#unused.push(before);
    else closeSync(before);
  }

  /** Everything said so far is in the file when this returns, unless the system does not take it. */
  flush(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    let bytes = Buffer.from(this.#take());
    for (let tries = FLUSH_TRIES; bytes.length > 0 && tries > 0; tries--)
      try {
        bytes = bytes.subarray(writeSync(this.#descriptor, bytes));
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code !== "EAGAIN") break;
        Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 5);
      }
    this.#giveBack(bytes);
  }

  #passAfter(ms: number): void {
    // A timer runs only while a line waits.
    this.#timer ??= setTimeout(() => this.#pass(), ms);
  }
  #pass(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    if (this.#isWriting || this.#waiting === "") return;
    const bytes = Buffer.from(this.#take());
    this.#isWriting = true;
    write(this.#descriptor, bytes, 0, bytes.length, null, (error, written) => {
      this.#isWriting = false;
      for (const descriptor of this.#unused.splice(0)) closeSync(descriptor);
      this.#giveBack(bytes.subarray(error === null ? written : 0));
      if (this.#waiting !== "") this.#passAfter(error === null ? 0 : RETRY_MS);
    });
  }

  #take(): string {
    const lines = this.#waiting;
    this.#waiting = "";
    if (this.#lost === 0) return lines;
    const lost = { level: "warn", time: Date.now(), event: "log-lines-lost", count: this.#lost };
    this.#lost = 0;
    return `${lines}${JSON.stringify(lost)}\n`;
  }
  #giveBack(bytes: Buffer): void {
    if (bytes.length > 0) this.#waiting = bytes.toString() + this.#waiting;
  }
}

function opened(target: string | number): number {
  return typeof target === "number" ? target : openSync(target, "a", 0o644);
}
