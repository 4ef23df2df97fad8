/**
 * What one message costs: processor time, and with --syscalls the system calls, of a server that takes mail.
 *
 *     node bench/cost.ts [--connections 10] [--size 4096] [--messages 4000] [--peer] [--profile | --syscalls]
 *
 * Processor time is user and system time of the server's processes until every message is visible by IMAP,
 * by the number of messages. It says the same on a busy machine as on an idle one, where a rate does not.
 * --profile prints where ours spends it, by file and by function; --syscalls (strace) makes everything slow,
 * so nothing else is printed with it; --peer measures Postfix and Dovecot instead.
 */
import { execFileSync, spawn } from "node:child_process";
import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import * as os from "node:os";
import * as path from "node:path";
import { parseArgs } from "node:util";
import { openMailboxCounts } from "./load/mailbox-counts.ts";
import { sendLoad, sendOne, shares } from "./load/smtp-load.ts";
import { startMailkeep } from "./peers/mailkeep.ts";
import { postfixDovecot } from "./peers/postfix-dovecot.ts";
import { processorTime, tree } from "./processor-time.ts";
import { profileTable } from "./profile-table.ts";

const { values } = parseArgs({
  options: {
    connections: { type: "string", default: "10" },
    size: { type: "string", default: "4096" },
    messages: { type: "string", default: "4000" },
    peer: { type: "boolean", default: false },
    profile: { type: "boolean", default: false },
    syscalls: { type: "boolean", default: false },
  },
});
const load = {
  connections: Number(values.connections),
  size: Number(values.size),
  messages: Number(values.messages),
};
const directory = mkdtempSync(path.join(process.env.BENCH_DIRECTORY ?? os.tmpdir(), "mailkeep-cost-"));
const profiles = path.join(directory, "profiles");
const server = await (values.peer
  ? postfixDovecot.start(directory)
  : startMailkeep(
      directory,
      values.profile ? ["--cpu-prof", "--cpu-prof-interval", "250", "--cpu-prof-dir", profiles] : [],
    ));
try {
  const parts = shares(load, server.users);
  const counts = await openMailboxCounts(
    server,
    parts.map(({ user }) => user),
  );
  // First uses (directories, compiled code) are not what is measured.
  for (const { user } of parts) await sendOne(server, user);
  const warmUp = { ...load, messages: Math.min(load.messages, 50 * parts.length) };
  await sendLoad(server, warmUp);
  const before = shares(warmUp, server.users)[0]!.count + 1;
  await counts.reached(new Map(parts.map(({ user }) => [user, before])));

  const trace = values.syscalls ? await startTrace() : undefined;
  const begin = performance.now();
  const earlier = processorTime(server.pids);
  await sendLoad(server, load);
  const accepted = performance.now();
  await counts.reached(new Map(parts.map(({ user, count }) => [user, before + count])));
  const visible = performance.now();
  const later = processorTime(server.pids);
  const total = parts.reduce((sum, { count }) => sum + count, 0);
  if (trace === undefined) {
    const user = (later.user - earlier.user) / total;
    const system = (later.system - earlier.system) / total;
    process.stdout.write(
      `${total} messages of ${load.size} bytes over ${load.connections} connections: ` +
        `${(user + system).toFixed(3)} ms CPU a message (user ${user.toFixed(3)}, system ${system.toFixed(3)}); ` +
        `accepted ${Math.round((total * 1000) / (accepted - begin))}/s, visible ${Math.round((total * 1000) / (visible - begin))}/s\n`,
    );
  } else process.stdout.write(perMessage(await trace(), total));
  await counts.close();
} finally {
  await server.stop();
}
for (const name of values.profile ? readdirSync(profiles) : [])
  process.stdout.write(profileTable(JSON.parse(readFileSync(path.join(profiles, name), "utf8"))));
rmSync(directory, { recursive: true });

/** Counts system calls of all threads; the function returned ends it and gives strace's table. */
async function startTrace(): Promise<() => Promise<string>> {
  const table = path.join(directory, "syscalls");
  const pids = tree(server.pids).flatMap((pid) => ["-p", String(pid)]);
  const strace = spawn("strace", ["-f", "-c", "-S", "calls", "-o", table, ...pids], { stdio: "ignore" });
  execFileSync("sleep", ["1"]);
  return async () => {
    strace.kill("SIGINT");
    await new Promise((resolve) => strace.once("exit", resolve));
    return readFileSync(table, "utf8");
  };
}
function perMessage(table: string, messages: number): string {
  const rows = table.split("\n").flatMap((line) => {
    const [, , , calls, ...rest] = line.trim().split(/\s+/);
    const name = rest.at(-1);
    return name !== undefined && Number(calls) > 0 ? [{ name, calls: Number(calls) / messages }] : [];
  });
  return rows.map(({ name, calls }) => `${calls.toFixed(3).padStart(9)} ${name}\n`).join("");
}
