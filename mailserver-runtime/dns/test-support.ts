/**
 * What the tests of this room share: a directory of zones, real name servers started on loopback ports, and the rule
 * that a missing tool skips a test on a desk and fails it in CI.
 */
import { type ChildProcess, execFile, execFileSync, spawn } from "node:child_process";
import dgram from "node:dgram";
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import net from "node:net";
import os from "node:os";
import path from "node:path";
import type { TestContext } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { promisify } from "node:util";

/** A temporary directory with these files, removed after the test. */
export async function directoryWith(
  t: { after(run: () => Promise<void>): void },
  files: Readonly<Record<string, string>>,
) {
  const directory = await mkdtemp(path.join(os.tmpdir(), "mailkeep-dns-"));
  t.after(() => rm(directory, { recursive: true, force: true }));
  for (const [name, text] of Object.entries(files)) await writeFile(path.join(directory, name), text);
  return directory;
}

/** Whether the program can be run; otherwise the test is skipped with the reason, or fails where CI is set. */
export function hasTool(t: TestContext, program: string, debianPackage: string): boolean {
  const paths = [...(process.env.PATH ?? "").split(":"), "/usr/sbin", "/sbin"].join(":");
  try {
    execFileSync("/bin/sh", ["-c", `command -v ${program}`], { env: { ...process.env, PATH: paths } });
    return true;
  } catch {
    const reason = `${program} is missing (Debian package ${debianPackage})`;
    if (process.env.CI) throw new Error(`${reason}, and CI must have it`);
    t.skip(reason);
    return false;
  }
}

/** Runs a program to its end and gives what it printed. */
export async function run(program: string, ...args: string[]): Promise<string> {
  const { stdout } = await promisify(execFile)(program, args, { timeout: 20_000 });
  return stdout;
}

/** A port that is free for UDP and TCP on the loopback at this moment. */
export async function freePort(): Promise<number> {
  const server = net.createServer().listen(0, "127.0.0.1");
  await new Promise((resolve) => server.once("listening", resolve));
  const { port } = server.address() as net.AddressInfo;
  await new Promise((resolve) => server.close(resolve));
  const socket = dgram.createSocket("udp4").bind(port, "127.0.0.1");
  await new Promise((resolve, reject) => socket.once("listening", resolve).once("error", reject));
  await new Promise<void>((resolve) => socket.close(() => resolve()));
  return port;
}

/** Starts a program that serves until the test ends; `ready` is tried until it is true. */
export async function serve(
  t: TestContext,
  program: string,
  args: string[],
  ready: () => Promise<boolean>,
): Promise<ChildProcess> {
  const child = spawn(program, args, {
    stdio: ["ignore", "pipe", "pipe"],
    env: { ...process.env, PATH: `${process.env.PATH}:/usr/sbin:/sbin` },
  });
  let output = "";
  child.stdout.on("data", (chunk) => {
    output += chunk;
  });
  child.stderr.on("data", (chunk) => {
    output += chunk;
  });
  const exited = new Promise<void>((resolve) => child.once("exit", () => resolve()));
  t.after(async () => {
    child.kill("SIGTERM");
    const hard = setTimeout(() => child.kill("SIGKILL"), 3000);
    await exited;
    clearTimeout(hard);
  });
  // Some compile their rules first, and the machine may be busy.
  for (let attempt = 0; attempt < 1200; attempt++) {
    if (child.exitCode !== null) throw new Error(`${program} ended with ${child.exitCode}: ${output}`);
    if (await ready()) return child;
    await sleep(50);
  }
  throw new Error(`${program} did not get ready: ${output}`);
}

/** A zone of a real knot: its text, and lines of its own for knot.conf ("dnssec-signing: on"). */
export interface KnotZone {
  readonly text: string;
  readonly lines: readonly string[];
}

/** Starts knot with these zones on a loopback port; `sections` go into knot.conf before the zones. */
export async function startKnot(
  t: TestContext,
  zones: Readonly<Record<string, KnotZone>>,
  sections = "",
): Promise<number> {
  const directory = await directoryWith(
    t,
    Object.fromEntries(Object.entries(zones).map(([origin, { text }]) => [`${origin}.zone`, text])),
  );
  for (const folder of ["run", "db"]) await mkdir(path.join(directory, folder));
  const port = await freePort();
  const zoneLines = Object.entries(zones).map(([origin, { lines }]) =>
    [
      `  - domain: ${origin}`,
      `file: ${origin}.zone`,
      "zonefile-sync: -1",
      "zonefile-load: difference",
      "journal-content: all",
      ...lines,
    ].join("\n    "),
  );
  const conf = path.join(directory, "knot.conf");
  await writeFile(
    conf,
    `server:
  rundir: ${directory}/run
  listen: 127.0.0.1@${port}
  background-workers: 1
  udp-workers: 1
  tcp-workers: 1
database:
  storage: ${directory}/db
  journal-db-max-size: 32M
  kasp-db-max-size: 32M
  timer-db-max-size: 8M
log:
  - target: stderr
    any: warning
${sections}
template:
  - id: default
    storage: ${directory}
zone:
${zoneLines.join("\n")}
`,
  );
  const last = Object.keys(zones).at(-1) ?? ".";
  await serve(t, "knotd", ["-c", conf], async () =>
    /status: NOERROR/.test(
      await run("kdig", "@127.0.0.1", "-p", String(port), last, "SOA", "+timeout=1", "+retry=0").catch(
        () => "",
      ),
    ),
  );
  return port;
}

/** The DNSKEY records of a zone that knot signs, as zone file lines: a trust anchor. */
export async function publicKeysOf(knotPort: number, zone: string): Promise<string> {
  const at = ["@127.0.0.1", "-p", String(knotPort)];
  for (let attempt = 0; attempt < 50; attempt++) {
    const answer = await run("kdig", ...at, zone, "DNSKEY", "+noall", "+answer");
    if (answer.includes("DNSKEY")) return answer;
    await sleep(50);
  }
  throw new Error(`knot does not sign ${zone}`);
}

/** Starts unbound as a validating resolver with these trust anchors; `zones` names the loopback port that serves each. */
export async function startUnbound(
  t: TestContext,
  anchors: string,
  zones: Readonly<Record<string, number>>,
): Promise<number> {
  const directory = await directoryWith(t, { anchors });
  const port = await freePort();
  const stubs = Object.entries(zones).map(
    ([name, at]) => `stub-zone:\n  name: ${name}\n  stub-addr: 127.0.0.1@${at}\n`,
  );
  const conf = path.join(directory, "unbound.conf");
  await writeFile(
    conf,
    `server:
  interface: 127.0.0.1
  port: ${port}
  do-daemonize: no
  username: ""
  chroot: ""
  directory: "${directory}"
  pidfile: ""
  use-syslog: no
  do-not-query-localhost: no
  do-ip6: no
  num-threads: 1
  module-config: "validator iterator"
  trust-anchor-file: "${directory}/anchors"
  local-zone: "test." nodefault
remote-control:
  control-enable: no
${stubs.join("")}`,
  );
  const last = Object.keys(zones).at(-1) ?? ".";
  const dig = ["@127.0.0.1", "-p", String(port), last, "SOA", "+time=1", "+tries=1"];
  await serve(t, "unbound", ["-d", "-c", conf], async () =>
    /NOERROR/.test(await run("dig", ...dig).catch(() => "")),
  );
  return port;
}

/** A zone of a real BIND: its text, and statements of its own for named.conf ("update-policy { … };"). */
export interface BindZone {
  readonly text: string;
  readonly statements: string;
}

/** Starts BIND with these zones on a loopback port; `head` goes into named.conf before the zones. */
export async function startBind(
  t: TestContext,
  zones: Readonly<Record<string, BindZone>>,
  head = "",
): Promise<number> {
  const directory = await directoryWith(
    t,
    Object.fromEntries(Object.entries(zones).map(([origin, { text }]) => [`${origin}.zone`, text])),
  );
  const port = await freePort();
  const conf = path.join(directory, "named.conf");
  const blocks = Object.entries(zones).map(
    ([origin, { statements }]) =>
      `zone "${origin}" { type primary; file "${directory}/${origin}.zone"; ${statements} };`,
  );
  await writeFile(
    conf,
    `options {
  directory "${directory}"; pid-file "${directory}/named.pid"; session-keyfile "${directory}/session.key";
  listen-on port ${port} { 127.0.0.1; }; listen-on-v6 { none; };
  recursion no; dnssec-validation no; notify no;
};
controls { };
${head}
${blocks.join("\n")}
`,
  );
  const last = Object.keys(zones).at(-1) ?? ".";
  const dig = ["@127.0.0.1", "-p", String(port), last, "SOA", "+time=1", "+tries=1"];
  await serve(t, "named", ["-g", "-n", "1", "-c", conf], async () =>
    /NOERROR/.test(await run("dig", ...dig).catch(() => "")),
  );
  return port;
}
