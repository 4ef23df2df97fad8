/**
 * A message's bytes on their way through the server, without saying where they lie.
 *
 * A body that fits below the memory limit of its session stays in Buffers, a larger one is in a spool file
 * of its own; who reads it cannot tell the difference. The bytes are those that came over the wire with
 * CRLF line ends and without dot-stuffing, and they are never changed: trace headers that a recipient's
 * copy needs (Return-Path, Received, Authentication-Results) travel beside them as a prefix.
 */
export interface MessageContent {
  /** Length in bytes. */
  readonly size: number;
  /** The whole message when it lies in memory: the fast path of filter, store and queue. */
  readonly buffer: Buffer | undefined;
  /** "crlf" where whoever took the bytes in saw that no LF stands without its CR; undefined where nobody looked. */
  readonly lineEnds?: "crlf" | undefined;
  /** The bytes from `start` (default 0) up to `end` (exclusive, default `size`), in chunks of at most 64 KiB. */
  chunks(start?: number, end?: number): AsyncIterable<Buffer>;
  /** At most `length` bytes from `start`; short only at the end of the message. */
  read(start: number, length: number): Promise<Buffer>;
  /** Frees the spool file, if there is one. Safe to call twice; reads that began before it still end well. */
  dispose(): Promise<void>;
}

/** A message that lies in memory. */
export function memoryContent(buffer: Buffer, lineEnds?: "crlf"): MessageContent {
  return {
    size: buffer.length,
    buffer,
    lineEnds,
    async *chunks(start = 0, end = buffer.length) {
      for (let at = start; at < end; at += 65536) yield buffer.subarray(at, Math.min(end, at + 65536));
    },
    async read(start, length) {
      return buffer.subarray(start, Math.min(buffer.length, start + length));
    },
    async dispose() {},
  };
}
