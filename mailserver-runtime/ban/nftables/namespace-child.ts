/**
 * A process of a network namespace, for nftables.test.ts: bans with nftables, and a port that greets. It is told what to do
 * by lines on standard input (`ban <network> [seconds]`, `lift <network>`, `offend <address> <times>`, `flush`, `reject`, `arming`), and says a line for each when it is done.
 */
import { execFileSync } from "node:child_process";
import { monitorEventLoopDelay } from "node:perf_hooks";
import { createInterface } from "node:readline";
import { listen } from "../../net/listen.ts";
import { silentLog } from "../../net/log.ts";
import { settingsSchema } from "../../settings/schema.ts";
import { openBans } from "../bans.ts";
import { parseNetwork } from "../network.ts";

const root = process.argv[2]!;
let settings = settingsSchema.parse({
  hostname: "mail.example.org",
  ban: { neverBanned: ["198.51.100.9"], maxRetry: 3 },
}).ban;
const bans = await openBans({
  directories: { config: root, state: root, log: root },
  hostname: () => "mail.example.org",
  settings: () => settings,
  log: silentLog,
});
bans.refusal("198.51.100.1");
bans.refusal("198.51.100.2");
await listen({
  // At accept nobody is refused here: what a client sees is the kernel's doing.
  listener: { protocol: "smtp", address: "::", port: 2525, proxyProtocol: [] },
  tls: undefined,
  onConnection: (connection) => void connection.write("220 here\r\n"),
  log: silentLog,
});
const loop = monitorEventLoopDelay({ resolution: 5 });
loop.enable();
const began = performance.now();
await bans.arm([2525]);
const arming = { seconds: (performance.now() - began) / 1000, stall: loop.max / 1e6 };
loop.disable();
process.stdout.write("ready\n");

const commands: Readonly<Record<string, (...words: string[]) => Promise<unknown> | unknown>> = {
  ban: (network = "", seconds) =>
    bans.ban(parseNetwork(network)!, seconds === undefined ? undefined : Number(seconds), "by hand"),
  lift: (network = "") => bans.lift(parseNetwork(network)!),
  async offend(client = "", times = "1") {
    for (let count = 0; count < Number(times); count++) bans.offend({ kind: "login-failed-imap", client });
    await new Promise((resolve) => setTimeout(resolve, 400));
  },
  flush: () => execFileSync("nft", ["flush", "ruleset"]),
  async reject() {
    settings = { ...settings, blockType: "reject" };
    await bans.reload();
  },
};
for await (const line of createInterface({ input: process.stdin })) {
  const [name = "", ...words] = line.split(" ");
  await commands[name]?.(...words);
  process.stdout.write(`${JSON.stringify(name === "arming" ? arming : bans.report().enforcement)}\n`);
}
await bans.close();
process.exit(0);
