/** Bans in the real kernel: two network namespaces, real nft in one and clients with several addresses in the other. */
import assert from "node:assert/strict";
import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { type TestContext, test } from "node:test";
import { installed, skipWithout } from "../../../test/support/tools.ts";
import { bansFixture } from "../bans-for-tests.ts";
import { parseNetwork } from "../network.ts";
import { Nftables } from "./nftables.ts";
import { changes, noTable, wholeTable } from "./ruleset.ts";

const mayMakeNamespaces = process.getuid?.() === 0 && spawnSync("unshare", ["-n", "true"]).status === 0;
const skip =
  skipWithout(installed("nft"), "nftables is not installed") ||
  skipWithout(installed("ip"), "iproute2 is not installed") ||
  (mayMakeNamespaces ? false : "network namespaces cannot be made here");

/** Addresses of the clients' side; the server is at 198.51.100.254 and 2001:db8:ffff::254. */
const CLIENTS = ["198.51.100.1", "198.51.100.2", "198.51.100.9", "198.51.100.65"];
const CLIENTS6 = ["2001:db8:ffff:1::1", "2001:db8:ffff:1::2", "2001:db8:ffff:2::1"];

interface Site {
  /** Has the server do something; its word on how bans are enforced. */
  tell(command: string): Promise<string>;
  /** What a client with this address hears: the greeting, "silence" or "reset". */
  hears(client: string): Promise<string>;
  /** The table as nft shows it. */
  rules(): string;
}

async function site(t: TestContext, bans = ""): Promise<Site> {
  const root = await mkdtemp(join(tmpdir(), "mailkeep-nft-"));
  t.after(() => rm(root, { recursive: true, force: true }));
  if (bans !== "") await writeFile(join(root, "bans.jsonl"), bans);
  // The namespaces live as long as a process in them does; nothing is named, and nothing is left behind.
  const hold = (): ChildProcess => spawn("unshare", ["-n", "sleep", "300"], { stdio: "ignore" });
  const holders = [hold(), hold()] as const;
  t.after(async () => {
    for (const holder of holders) {
      holder.kill("SIGKILL");
      if (holder.exitCode === null && holder.signalCode === null) await once(holder, "exit");
    }
  });
  const [server, client] = holders.map(({ pid }) => String(pid)) as [string, string];
  const within = (pid: string, ...command: string[]) => {
    const done = spawnSync("nsenter", ["-t", pid, "-n", ...command], {
      encoding: "utf8",
      timeout: 60_000,
      maxBuffer: 64 * 1024 * 1024,
    });
    assert.equal(done.status, 0, `${command.join(" ")}: ${done.stderr}`);
    return done.stdout;
  };
  // unshare has to have made its namespace before anything is put there.
  const own = spawnSync("readlink", ["/proc/self/ns/net"], { encoding: "utf8" }).stdout;
  for (const pid of [server, client])
    for (let tries = 0; tries < 200; tries++) {
      const there = spawnSync("readlink", [`/proc/${pid}/ns/net`], { encoding: "utf8" }).stdout;
      if (there !== "" && there !== own) break;
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
  within(server, "ip", "link", "add", "out", "type", "veth", "peer", "name", "in", "netns", client);
  for (const [pid, link] of [
    [server, "out"],
    [client, "in"],
  ] as const) {
    within(pid, "ip", "link", "set", "lo", "up");
    within(pid, "ip", "link", "set", link, "up");
  }
  within(server, "ip", "addr", "add", "198.51.100.254/24", "dev", "out");
  within(server, "ip", "-6", "addr", "add", "2001:db8:ffff::254/48", "dev", "out", "nodad");
  for (const address of CLIENTS) within(client, "ip", "addr", "add", `${address}/24`, "dev", "in");
  for (const address of CLIENTS6)
    within(client, "ip", "-6", "addr", "add", `${address}/48`, "dev", "in", "nodad");

  const child = spawn(
    "nsenter",
    ["-t", server, "-n", process.execPath, join(import.meta.dirname, "namespace-child.ts"), root],
    {
      stdio: ["pipe", "pipe", "inherit"],
    },
  );
  t.after(async () => {
    child.stdin.end();
    if (child.exitCode === null) await once(child, "exit");
  });
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  assert.equal((await lines.next()).value, "ready");
  const connects = `
import socket, sys
family = socket.AF_INET6 if ":" in sys.argv[1] else socket.AF_INET
s = socket.socket(family)
s.settimeout(float(sys.argv[3]))
s.bind((sys.argv[1], 0))
try:
    s.connect((sys.argv[2], 2525))
    print(s.recv(100).decode().strip())
except TimeoutError: print("silence")
except ConnectionRefusedError: print("reset")
`;
  return {
    async tell(command) {
      child.stdin.write(`${command}\n`);
      return String((await lines.next()).value);
    },
    async hears(address) {
      const at = address.includes(":") ? "2001:db8:ffff::254" : "198.51.100.254";
      return within(client, "python3", "-c", connects, address, at, "1.5").trim();
    },
    rules: () => within(server, "nft", "list", "ruleset"),
  };
}

test("who is banned does not get as far as a connection, until the ban ends by itself or by hand", {
  skip,
  timeout: 120_000,
}, async (t) => {
  const { tell, hears, rules } = await site(t);
  assert.equal(await hears("198.51.100.1"), "220 here");
  assert.equal(rules(), "", "a server that bans nobody changes nothing");

  assert.match(await tell("offend 198.51.100.1 3"), /"by":"nftables","table":"mailkeep_[0-9a-f]{8}"/);
  assert.equal(await hears("198.51.100.1"), "silence");
  assert.equal(await hears("198.51.100.2"), "220 here");
  await tell("lift 198.51.100.1");
  assert.equal(await hears("198.51.100.1"), "220 here");

  // An IPv6 client is its /64.
  await tell("offend 2001:db8:ffff:1::1 3");
  assert.equal(await hears("2001:db8:ffff:1::2"), "silence");
  assert.equal(await hears("2001:db8:ffff:2::1"), "220 here");

  // A network with one in it that is never banned, and a ban within a ban.
  await tell("ban 198.51.100.0/26");
  await tell("ban 198.51.100.2");
  assert.equal(await hears("198.51.100.2"), "silence");
  assert.equal(await hears("198.51.100.9"), "220 here");
  assert.equal(await hears("198.51.100.65"), "220 here");
  await tell("lift 198.51.100.0/26");
  assert.equal(await hears("198.51.100.2"), "220 here", "lifting a network lifts what is in it");

  await tell("ban 198.51.100.1 8");
  assert.equal(await hears("198.51.100.1"), "silence");
  let heard = "silence";
  for (let tries = 0; tries < 20 && heard === "silence"; tries++) heard = await hears("198.51.100.1");
  assert.equal(heard, "220 here", "the kernel ends it");

  await tell("ban 198.51.100.1");
  await tell("reject");
  assert.equal(await hears("198.51.100.1"), "reset");
});

test("rules that somebody flushed are made anew with the next ban, with all bans in them", {
  skip,
  timeout: 120_000,
}, async (t) => {
  const { tell, hears } = await site(t);
  await tell("ban 198.51.100.1");
  await tell("flush");
  assert.equal(await hears("198.51.100.1"), "220 here");
  await tell("ban 198.51.100.2");
  assert.equal(await hears("198.51.100.1"), "silence");
  assert.equal(await hears("198.51.100.2"), "silence");
});

test("a hundred thousand bans of an earlier process are in the kernel within seconds, and keep nobody waiting", {
  skip,
  timeout: 120_000,
}, async (t) => {
  const until = Date.now() + 600_000;
  const lines = Array.from({ length: 99_000 }, (_, index) => {
    const network = `100.${64 + (index >> 16)}.${(index >> 8) & 255}.${index & 255}`;
    return JSON.stringify({
      network,
      jail: "dovecot",
      reason: "x",
      since: until - 1_200_000,
      until,
      times: 1,
    });
  });
  const { tell, hears, rules } = await site(t, `${lines.join("\n")}\n`);
  const { seconds, stall } = JSON.parse(await tell("arming")) as { seconds: number; stall: number };
  t.diagnostic(
    `99,000 bans in the kernel after ${seconds.toFixed(1)} s, the loop held for ${stall.toFixed(0)} ms at most`,
  );
  assert.ok(seconds < 60);
  assert.equal((rules().match(/100\.6[45]\.\d+\.\d+ timeout/g) ?? []).length, 99_000);
  assert.equal(await hears("198.51.100.1"), "220 here");
});

test("without nft, or without the right to use it, bans are enforced at accept and that is said", async (t) => {
  const { directories, logged, open, clock } = await bansFixture(t);
  const bans = await open();
  const kernel = (program: string) =>
    new Nftables({
      state: directories.state,
      facts: () => ({ ports: [25], blockType: "drop", spared: [] }),
      bans: () => bans.report().bans,
      log: { ...t, info: (fields: object) => void logged.push(fields as Record<string, unknown>) } as never,
      now: () => clock.now,
      program,
    });
  const missing = kernel("/nowhere/nft");
  await missing.open();
  assert.deepEqual(missing.enforcement, {
    by: "accept",
    because: "nft is not installed (Debian: apt install nftables)",
  });
  const refused = join(directories.config, "refused");
  await writeFile(
    refused,
    "#!/bin/sh\ncat >/dev/null\necho 'Error: Could not process rule: Operation not permitted' >&2\nexit 1\n",
    { mode: 0o755 },
  );
  const powerless = kernel(refused);
  await powerless.open();
  await powerless.open();
  assert.match(JSON.stringify(powerless.enforcement), /has no right NET_ADMIN/);
  assert.equal(logged.filter(({ event }) => event === "ban-enforcement").length, 2, "each is said once");
  await Promise.all([missing.close(), powerless.close()]);
});

test("the rules are one transaction, and every length has a set of its own", () => {
  const facts = {
    table: "mailkeep_test",
    ports: [25, 993],
    blockType: "reject" as const,
    spared: [parseNetwork("192.0.2.0/24")!],
  };
  const network = (text: string) => parseNetwork(text)!;
  const text = [
    ...wholeTable(facts, [
      { network: network("203.0.113.7"), lastsMs: 61_500 },
      { network: network("203.0.112.0/23"), lastsMs: undefined },
      { network: network("2001:db8:1:2::/64"), lastsMs: 1 },
    ]),
  ].join("");
  for (const line of [
    "delete table inet mailkeep_test",
    "add rule inet mailkeep_test bans ip saddr & 255.255.255.0 @never4_24 return",
    "add element inet mailkeep_test ban4_32 { 203.0.113.7 timeout 62s }",
    "add element inet mailkeep_test ban4_23 { 203.0.112.0 }",
    "add element inet mailkeep_test ban6_64 { 2001:db8:1:2:: timeout 1s }",
    "add rule inet mailkeep_test bans meta l4proto tcp ip6 saddr & ffff:ffff:ffff:ffff:: @ban6_64 counter reject with tcp reset",
  ])
    assert.ok(text.split("\n").includes(line), line);
  assert.match(text, /tcp dport \{ 25, 993 \} tcp flags & \(fin\|syn\|rst\|ack\) == syn jump bans/);
  const later = [
    ...changes(
      facts,
      new Set(["4/32"]),
      [{ network: network("203.0.113.8"), lastsMs: 1000 }],
      [network("198.51.0.0/16")],
    ),
  ].join("");
  assert.match(later, /add set inet mailkeep_test ban4_16 /);
  assert.doesNotMatch(later, /add set inet mailkeep_test ban4_32 /);
  assert.match(noTable("x").join(""), /^add table inet x\ndelete table inet x\n$/);
});
