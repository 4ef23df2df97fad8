/** What a server syncs before it acknowledges a message: its own system calls say so (strace). */
import { spawn } from "node:child_process";
import { readFileSync } from "node:fs";
import * as path from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { sendOne } from "./load/smtp-load.ts";
import type { BenchServer } from "./peers/server.ts";
import { tree } from "./processor-time.ts";

/** Time for strace to attach to every process, and for what follows the acknowledgement. */
const SETTLE_MS = 1500;
const traced = "trace=fsync,fdatasync,syncfs,write,writev,sendto,sendmsg";

/** One sentence about one message, sent when the server is warm. `directory` takes the trace. */
export async function syncsOf(server: BenchServer, directory: string): Promise<string> {
  const file = path.join(directory, "syncs.strace");
  const pids = tree(server.pids).flatMap((pid) => ["-p", String(pid)]);
  const strace = spawn("strace", ["-f", "-e", traced, "-s", "64", "-o", file, ...pids], { stdio: "ignore" });
  const ended = new Promise<string>((resolve) => {
    strace.once("error", () => resolve("strace is not installed"));
    strace.once("exit", () => resolve(""));
  });
  await delay(SETTLE_MS);
  await sendOne(server, server.users[0]!);
  await delay(SETTLE_MS);
  strace.kill("SIGINT");
  const problem = await ended;
  return problem === "" ? summary(readFileSync(file, "latin1")) : problem;
}

/** Counts the syncs that had ended when the reply to the message left, and those that ended later. */
function summary(trace: string): string {
  let before = 0;
  let after = 0;
  let acknowledged = false;
  for (const line of trace.split("\n")) {
    if (/(?:fsync|fdatasync|syncfs)(?:\(| resumed>).*= 0/.test(line)) {
      if (acknowledged) after++;
      else before++;
    }
    if (/"250 [^"]*(?:queued|Ok: |it is done)/i.test(line)) acknowledged = true;
  }
  if (!acknowledged) return "no acknowledgement was seen in the trace";
  return `${before} syncs before its 250${after > 0 ? `, ${after} after it` : ""}`;
}
