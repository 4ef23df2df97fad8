/** Ours: the runtime as shipped, with its default settings, accounts in a DMS file. */
import { execFile, spawn } from "node:child_process";
import * as fs from "node:fs/promises";
import * as path from "node:path";
import { promisify } from "node:util";
import { banner } from "./ports.ts";
import { type BenchPeer, type BenchServer, benchPassword, benchUsers } from "./server.ts";

const run = promisify(execFile);
const root = path.resolve(import.meta.dirname, "../..");
const smtpPort = 12025;
const imapsPort = 12993;

export const mailkeep: BenchPeer = {
  name: "mailkeep",
  missing: () => undefined,
  version: () => `mailkeep on Node ${process.versions.node}`,
  start: (directory) => startMailkeep(directory, []),
};

/** The same with options of Node's, such as those of its profiler. */
export async function startMailkeep(directory: string, nodeOptions: readonly string[]): Promise<BenchServer> {
  const { stdout } = await run("openssl", ["passwd", "-6", benchPassword]);
  await fs.mkdir(path.join(directory, "config/stack"), { recursive: true });
  await fs.writeFile(
    path.join(directory, "config/postfix-accounts.cf"),
    benchUsers.map((user) => `${user}|{SHA512-CRYPT}${stdout.trim()}\n`).join(""),
  );
  const settings = {
    hostname: "mail.bench.test",
    listeners: [
      { protocol: "smtp", address: "127.0.0.1", port: smtpPort },
      { protocol: "imaps", address: "127.0.0.1", port: imapsPort },
    ],
    dns: { servers: ["127.0.0.1:12053"], authoritative: { address: "127.0.0.1", port: 12053 } },
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
  const ended = new Promise<void>((resolve) => server.once("exit", () => resolve()));
  try {
    await Promise.all([banner(smtpPort), tlsUp(imapsPort)]);
  } catch (error) {
    server.kill("SIGKILL");
    throw new Error(
      `${(error as Error).message}\n${await fs.readFile(path.join(directory, "server.out"), "utf8")}`,
    );
  }
  return {
    pids: [server.pid!],
    smtpPort,
    imap: { port: imapsPort, tls: true },
    users: benchUsers,
    password: benchPassword,
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

async function tlsUp(port: number): Promise<void> {
  const { connect } = await import("node:net");
  for (const deadline = Date.now() + 15_000; ; ) {
    const open = await new Promise<boolean>((resolve) => {
      const socket = connect(port, "127.0.0.1", () => {
        socket.destroy();
        resolve(true);
      }).once("error", () => resolve(false));
    });
    if (open) return;
    if (Date.now() > deadline) throw new Error(`port ${port} does not open`);
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}
