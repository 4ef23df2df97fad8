/**
 * What one message costs: processor time, and with --syscalls the system calls, of a server that takes mail.
 *
 *     node bench/cost.ts [--connections 10] [--size 4096] [--messages 1000] [--rounds 5] [--processes 1] [--peer]
 *                        [--profile | --syscalls]
 *
 * Processor time is that of the server's processes until every message is visible by IMAP, by the number of messages,
 * apart for main threads and others. It moves less on a busy machine than a rate does, but caches are shared: so
 * the least of several rounds is what to compare, and two servers by turns. --profile prints where ours spends it, by
 * file and by function; --syscalls (strace) makes everything slow, so nothing else is printed with it; --processes
 * bounds ours; --peer measures Postfix and Dovecot instead.
 */
import { execFileSync, spawn } from "node:child_process";
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import * as os from "node:os";
import * as path from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { pathToFileURL } from "node:url";
import { parseArgs } from "node:util";
import { openMailboxCounts } from "./load/mailbox-counts.ts";
import { sendLoad, shares } from "./load/smtp-load.ts";
import { startMailkeep } from "./peers/mailkeep.ts";
import { postfixDovecot } from "./peers/postfix-dovecot.ts";
import { threadNanoseconds, tree } from "./processor-time.ts";
import { profileTable } from "./profile-table.ts";

const { values } = parseArgs({
  options: {
    connections: { type: "string", default: "10" },
    size: { type: "string", default: "4096" },
    messages: { type: "string", default: "1000" },
    rounds: { type: "string", default: "5" },
    processes: { type: "string" },
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
mkdirSync(profiles);
const server = await start();
try {
  const parts = shares(load, server.users);
  const counts = await openMailboxCounts(
    server,
    parts.map(({ user }) => user),
  );
  let sent = 0;
  const round = async (): Promise<{ accepted: number; visible: number }> => {
    const begin = performance.now();
    await sendLoad(server, load);
    const accepted = performance.now() - begin;
    sent += parts[0]!.count;
    await counts.reached(new Map(parts.map(({ user }) => [user, sent])));
    return { accepted, visible: performance.now() - begin };
  };
  const total = parts.reduce((sum, { count }) => sum + count, 0);
  // First uses (directories, compiled code) are not what is measured.
  await round();
  await round();

  if (values.syscalls) {
    const trace = await startTrace();
    await round();
    process.stdout.write(perMessage(await trace(), total));
  } else {
    if (values.profile) toggleProfile();
    const costs: { main: number; others: number }[] = [];
    for (let i = Number(values.rounds); i > 0; i--) {
      const earlier = threadNanoseconds(server.pids);
      const { accepted, visible } = await round();
      const later = threadNanoseconds(server.pids);
      const perMessageMs = (before: number, after: number) => (after - before) / 1e6 / total;
      const cost = {
        main: perMessageMs(earlier.main, later.main),
        others: perMessageMs(earlier.others, later.others),
      };
      costs.push(cost);
      process.stdout.write(
        `${shown(cost)}; accepted ${Math.round((total * 1000) / accepted)}/s, visible ${Math.round((total * 1000) / visible)}/s\n`,
      );
    }
    if (values.profile) toggleProfile();
    const sum = (cost: { main: number; others: number }) => cost.main + cost.others;
    const least = costs.reduce((best, cost) => (sum(cost) < sum(best) ? cost : best));
    process.stdout.write(
      `least of ${costs.length} rounds of ${total} messages of ${load.size} bytes over ${load.connections} connections: ${shown(least)}\n`,
    );
    if (values.profile) await delay(2000);
  }
  await counts.close();
} finally {
  await server.stop();
}
for (const name of readdirSync(profiles))
  process.stdout.write(profileTable(JSON.parse(readFileSync(path.join(profiles, name), "utf8"))));
if (process.env.BENCH_KEEP === undefined) rmSync(directory, { recursive: true });

function start() {
  if (values.peer) return postfixDovecot.start(directory);
  const profiling = pathToFileURL(path.join(import.meta.dirname, "profile-on-signal.ts")).href;
  if (values.profile) process.env.BENCH_PROFILES = profiles;
  return startMailkeep(
    directory,
    [
      ...(values.profile ? ["--import", profiling] : []),
      ...(process.env.BENCH_NODE_OPTIONS?.split(" ") ?? []),
    ],
    values.processes === undefined ? {} : { workers: { most: Number(values.processes) } },
  );
}
function toggleProfile(): void {
  for (const pid of server.pids) process.kill(pid, "SIGUSR2");
}
function shown({ main, others }: { readonly main: number; readonly others: number }): string {
  return `${(main + others).toFixed(3)} ms CPU a message (main threads ${main.toFixed(3)}, others ${others.toFixed(3)})`;
}

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
