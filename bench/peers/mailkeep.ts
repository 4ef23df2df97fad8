/** Ours: the runtime as shipped, with its default settings, accounts in a DMS file. */
import { execFile, spawn } from "node:child_process";
import * as fs from "node:fs/promises";
import * as path from "node:path";
import { promisify } from "node:util";
import { endWithBench } from "./end-with-bench.ts";
import type { ImapBenchPeer } from "./imap-server.ts";
import { banner, freePort, opens } from "./ports.ts";
import { type BenchPeer, type BenchServer, benchPassword, benchUsers } from "./server.ts";

const run = promisify(execFile);
const root = path.resolve(import.meta.dirname, "../..");

/** A server of ours, before anybody knows what will be measured on it. */
interface Running {
  readonly pids: readonly number[];
  readonly smtpPort: number;
  readonly imapsPort: number;
  stop(): Promise<void>;
}

export const mailkeep: BenchPeer = {
  name: "mailkeep",
  missing: () => undefined,
  version: () => `mailkeep on Node ${process.versions.node}`,
  start: (directory) => startMailkeep(directory, []),
};

/** The same with options of Node's, such as those of its profiler, and with settings that are not the default. */
export async function startMailkeep(
  directory: string,
  nodeOptions: readonly string[],
  settings: object = {},
): Promise<BenchServer> {
  const { stdout } = await run("openssl", ["passwd", "-6", benchPassword]);
  const hashes = new Map(benchUsers.map((user) => [user, stdout.trim()]));
  const { imapsPort, ...running } = await startRuntime(directory, hashes, nodeOptions, settings);
  return {
    ...running,
    imap: { port: imapsPort, tls: true },
    users: benchUsers,
    password: benchPassword,
  };
}

/** The same as an IMAP server. */
export const mailkeepImap: ImapBenchPeer = {
  name: mailkeep.name,
  missing: mailkeep.missing,
  version: mailkeep.version,
  async start(directory, hashes) {
    const options = process.env.BENCH_NODE_OPTIONS?.split(" ") ?? [];
    const { imapsPort, pids, stop } = await startRuntime(directory, hashes, options);
    return { pids, port: imapsPort, stop };
  },
};

async function startRuntime(
  directory: string,
  hashes: ReadonlyMap<string, string>,
  nodeOptions: readonly string[],
  changed: object = {},
): Promise<Running> {
  const [smtpPort, imapsPort, dnsPort] = await Promise.all([freePort(), freePort(), freePort()]);
  await fs.mkdir(path.join(directory, "config/stack"), { recursive: true });
  await fs.writeFile(
    path.join(directory, "config/postfix-accounts.cf"),
    [...hashes].map(([user, hash]) => `${user}|{SHA512-CRYPT}${hash}\n`).join(""),
  );
  const settings = {
    ...changed,
    hostname: "mail.bench.test",
    listeners: [
      { protocol: "smtp", address: "127.0.0.1", port: smtpPort },
      { protocol: "imaps", address: "127.0.0.1", port: imapsPort },
    ],
    dns: {
      servers: [`127.0.0.1:${dnsPort}`],
      authoritative: { address: "127.0.0.1", port: dnsPort },
    },
  };
  await fs.writeFile(
    path.join(directory, "config/stack/settings.json"),
    JSON.stringify({ settings, owner: "bench" }),
  );
  await admin(directory, {
    operation: "certificate.put",
    request: { names: ["mail.bench.test"], issuer: { type: "local-ca" }, owner: "bench" },
  });
  const output = await fs.open(path.join(directory, "server.out"), "w");
  const server = spawn(
    process.execPath,
    [...nodeOptions, path.join(root, "mailserver-runtime/main.ts"), "--root", directory],
    {
      stdio: ["ignore", output.fd, output.fd],
      env: { ...process.env, UV_THREADPOOL_SIZE: "16" },
    },
  );
  const guarded = endWithBench([server.pid!]);
  const ended = new Promise<void>((resolve) => server.once("exit", () => resolve())).then(guarded);
  try {
    await Promise.all([banner(smtpPort), opens(imapsPort)]);
  } catch (error) {
    server.kill("SIGKILL");
    throw new Error(
      `${(error as Error).message}\n${await fs.readFile(path.join(directory, "server.out"), "utf8")}`,
    );
  }
  return {
    pids: [server.pid!],
    smtpPort,
    imapsPort,
    async stop() {
      server.kill("SIGTERM");
      await ended;
      await output.close();
    },
  };
}

async function admin(directory: string, request: object): Promise<void> {
  const child = spawn(
    process.execPath,
    [path.join(root, "mailserver-runtime/cli/main.ts"), "--root", directory, "admin"],
    {
      stdio: ["pipe", "ignore", "inherit"],
    },
  );
  child.stdin.end(`${JSON.stringify(request)}\n`);
  const code = await new Promise((resolve) => child.once("exit", resolve));
  if (code !== 0) throw new Error(`admin ended with ${code}`);
}
