/**
 * A Connection as the stream that Node's HTTP parser wants, so that PROXY headers, limits, bans, TLS and the other
 * processes serve HTTP as they do the mail protocols. It reads no faster than the parser takes.
 */
import { Duplex } from "node:stream";
import type { Connection } from "../net/connection.ts";

const CHUNK = 16_384;

export interface StreamLimits {
  /** How long the connection may last, however busy it is. */
  readonly wholeMs: number;
  /** How long nothing may come. */
  readonly idleMs: number;
}

export function connectionStream(connection: Connection, { wholeMs, idleMs }: StreamLimits): Duplex {
  const until = Date.now() + wholeMs;
  const left = () => Math.max(1, Math.min(idleMs, until - Date.now()));
  return new Duplex({
    read() {
      connection.readChunk(CHUNK, left()).then(
        // What is given is a view that the next read overwrites.
        (bytes) => this.push(Buffer.from(bytes)),
        () => this.push(null),
      );
    },
    write(chunk: Buffer, _encoding, done) {
      connection.write(Buffer.from(chunk));
      connection.drained(left()).then(() => done(), done);
    },
    final(done) {
      connection.end();
      done();
    },
    destroy(error, done) {
      if (error) connection.destroy();
      else connection.end();
      done(error);
    },
  });
}
