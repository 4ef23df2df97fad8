/** What strace saw a program do to files and sockets, in the order in which it happened. */
import * as fs from "node:fs";
import { createInterface } from "node:readline";

const TRACED = [
  "openat,open,creat,write,writev,pwrite64,pwritev,pwritev2,ftruncate,truncate,copy_file_range,sendfile",
  "fsync,fdatasync,sync_file_range,rename,renameat,renameat2,link,linkat,unlink,unlinkat,mkdir,mkdirat,rmdir",
  // Would do the same unseen; that Node does not use it is part of the proof.
  "sendto,sendmsg,io_uring_setup,io_uring_enter",
].join(",");

/** The command in front of a program: every thread and child, descriptors with their paths, all bytes in hexadecimal. */
export function strace(output: string): readonly string[] {
  const how = ["-f", "--seccomp-bpf", "-yy", "-xx", "-ttt", "-s", "1000000"];
  return ["strace", ...how, "-o", output, "-e", `trace=${TRACED}`, "-e", "signal=none"];
}

export interface Call {
  readonly name: string;
  /** All between the name and the result, as strace writes it. */
  readonly text: string;
  /** The number it returned; -1 for an error. */
  readonly result: number;
  /** The file a returned descriptor stands for. */
  readonly opened: string | undefined;
}
/** A call begins or ends. Between the two others may run; `call` is complete only at its end. */
export interface Moment {
  readonly kind: "begin" | "end";
  readonly call: Call;
  /** Milliseconds since the epoch. */
  readonly at: number;
}

export async function readMoments(file: string): Promise<Moment[]> {
  const moments: Moment[] = [];
  const open = new Map<string, { text: string; moment: { kind: "begin"; call: Call; at: number } }>();
  for await (const line of createInterface({ input: fs.createReadStream(file, "latin1") })) {
    const [, thread = "", seconds, rest = ""] = /^(\d+) +(\d+\.\d+) (.*)$/.exec(line) ?? [];
    const at = Number(seconds) * 1000;
    const resumed = /^<\.\.\. \w+ resumed>(.*)$/.exec(rest);
    if (resumed !== null) {
      const begun = open.get(thread);
      if (begun === undefined) continue;
      open.delete(thread);
      begun.moment.call = callOf(begun.text + resumed[1]);
      moments.push({ kind: "end", call: begun.moment.call, at });
    } else if (/^\w+\(/.test(rest)) {
      const unfinished = /^(.*?) <unfinished \.\.\.>$/.exec(rest);
      const moment = { kind: "begin" as const, call: callOf(unfinished?.[1] ?? rest), at };
      moments.push(moment);
      if (unfinished === null) moments.push({ kind: "end", call: moment.call, at });
      else open.set(thread, { text: unfinished[1]!, moment });
    }
  }
  return moments;
}

function callOf(text: string): Call {
  const name = text.slice(0, text.indexOf("("));
  const [whole = "", result, opened] = /\) += (-?\d+)(?:<((?:\\x[0-9a-f]{2})+)>)?[^=]*$/.exec(text) ?? [];
  return {
    name,
    text: text.slice(name.length + 1, text.length - whole.length),
    result: result === undefined ? -1 : Number(result),
    opened: opened === undefined ? undefined : decoded(opened).toString(),
  };
}

/** The bytes of strace's `\x2f\x74`. */
export function decoded(hex: string): Buffer {
  return Buffer.from(hex.replaceAll("\\x", ""), "hex");
}
/** Quoted strings of a call: paths, or what was written. */
export function strings(text: string): Buffer[] {
  return [...text.matchAll(/"((?:\\x[0-9a-f]{2})*)"/g)].map((match) => decoded(match[1]!));
}
/** The path of the call's first descriptor; undefined for sockets, pipes and files that were unlinked. */
export function descriptorPath(text: string): string | undefined {
  const [, path] = /^\d+<((?:\\x[0-9a-f]{2})+)>(?!\()/.exec(text) ?? [];
  return path === undefined ? undefined : decoded(path).toString();
}
/** The peer's port of a call on a TCP socket. */
export function peerPort(text: string): number | undefined {
  const port = /^\d+<TCP(?:v6)?:\[[^>]*->[^>]*:(\d+)\]>/.exec(text)?.[1];
  return port === undefined ? undefined : Number(port);
}
