/**
 * Output of a program in a container, both of its streams in one: each frame begins with eight bytes, the stream's number
 * (1 standard output, 2 standard error), three zeros and the length, big-endian (ContainerAttach of the engine's API).
 */
import { type Duplex, PassThrough, type Readable } from "node:stream";

export interface Outputs {
  readonly stdout: Readable;
  readonly stderr: Readable;
  /** Resolves when all output has come; never rejects. */
  readonly ended: Promise<void>;
}

const HEAD = 8;

export function separated({ socket, head }: { readonly socket: Duplex; readonly head: Buffer }): Outputs {
  const stdout = new PassThrough();
  const stderr = new PassThrough();
  let rest: Buffer = Buffer.alloc(0);
  const take = (chunk: Buffer) => {
    rest = rest.length === 0 ? chunk : Buffer.concat([rest, chunk]);
    while (rest.length >= HEAD) {
      const end = HEAD + rest.readUInt32BE(4);
      if (rest.length < end) return;
      (rest[0] === 2 ? stderr : stdout).write(rest.subarray(HEAD, end));
      rest = rest.subarray(end);
    }
  };
  if (head.length > 0) take(head);
  const ended = new Promise<void>((resolve) => {
    const finish = () => {
      stdout.end();
      stderr.end();
      resolve();
    };
    socket.on("data", take);
    socket.on("end", finish);
    socket.on("close", finish);
    // What is missing then is told by whoever waits for an answer.
    socket.on("error", finish);
  });
  return { stdout, stderr, ended };
}

/** The text of frames that came as a whole. */
export function textOf(frames: Buffer): string {
  const parts: Buffer[] = [];
  for (let at = 0; at + HEAD <= frames.length; ) {
    const end = at + HEAD + frames.readUInt32BE(at + 4);
    parts.push(frames.subarray(at + HEAD, end));
    at = end;
  }
  return Buffer.concat(parts).toString("utf8");
}
