/** A whole server between a name server and other hosts on loopback, for tests of the ways mail goes. */
import assert from "node:assert/strict";
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import * as fs from "node:fs/promises";
import * as os from "node:os";
import * as path from "node:path";
import type { TestContext } from "node:test";
import { answers } from "../test/support/loopback.ts";
import { run } from "../test/support/tools.ts";
import { connectAdmin } from "./admin/client.ts";
import { perform } from "./admin/operations.ts";
import { freePort, startKnot } from "./dns/test-support.ts";
import { until } from "./queue/queue-for-tests.ts";
import { startServer } from "./server.ts";
import { type Directories, directoriesBelow } from "./settings/directories.ts";
import type { Protocol } from "./settings/schema.ts";

export const version = "0.0.0-test";
const owner = "test";

export interface ServerOptions {
  /** By origin, as zone files. */
  readonly zones: Readonly<Record<string, string>>;
  readonly settings?: object;
  /** DMS files by name. */
  readonly files?: Readonly<Record<string, string>>;
  /** Addresses of this host that clients connect to; an MX listener at least. */
  readonly protocols?: readonly Protocol[];
  /** Called before the server starts. */
  readonly prepare?: (directories: Directories) => Promise<void>;
  /** Whether the server probes itself. */
  readonly probes?: boolean;
}
export interface RunningServer {
  readonly directories: Directories;
  /** Port of a protocol's listener on 127.0.0.1. */
  port(protocol: Protocol): number;
  /** Where other hosts' servers listen. */
  readonly outPort: number;
  /** To the MX. */
  swaks(...args: string[]): Promise<{ code: number | null; text: string }>;
  /** Asks the running server by its socket, as the command line does. */
  ask(operation: string, request: object): Promise<unknown>;
  /** Every message of an account, wherever it lies; `green.test/ann`. */
  mail(account: string): Promise<string[]>;
}

/** A zone file with these records beside the ones every zone has. */
export const zone = (records: string): string =>
  `$TTL 60\n@ SOA ns hostmaster 1 60 60 60 60\n@ NS ns\nns A 127.0.0.1\n${records}\n`;

export async function runningServer(t: TestContext, options: ServerOptions): Promise<RunningServer> {
  const { protocols = ["smtp"], files = {} } = options;
  const root = await fs.mkdtemp(path.join(os.tmpdir(), "mailkeep-ways-"));
  const directories = directoriesBelow(root);
  const zones = Object.entries(options.zones).map(([name, text]) => [name, { text, lines: [] }]);
  const [outPort, dns] = await Promise.all([freePort(), startKnot(t, Object.fromEntries(zones))]);
  await fs.mkdir(directories.config, { recursive: true });
  for (const [name, text] of Object.entries(files))
    await fs.writeFile(path.join(directories.config, name), text);
  const settings = {
    hostname: "mail.green.test",
    listeners: protocols.map((protocol) => ({ protocol, address: "127.0.0.1", port: 0 })),
    dns: { servers: [`127.0.0.1:${dns}`] },
    delivery: { port: outPort },
    ...options.settings,
  };
  await perform("settings.put", { settings, owner }, { directories, version });
  await perform(
    "certificate.put",
    { names: ["mail.green.test"], issuer: { type: "local-ca" }, owner },
    { directories, version },
  );
  await options.prepare?.(directories);
  const running = await startServer({
    directories,
    env: {},
    version,
    logToStdout: false,
    ...(options.probes === undefined ? {} : { probes: options.probes }),
    onStopRequested: () => {},
  });
  t.after(async () => {
    await running.stop(1000);
    await fs.rm(root, { recursive: true, force: true });
  });
  const port = (protocol: Protocol): number => {
    const found = running.listeners()[protocols.indexOf(protocol)];
    assert.ok(found, `nothing listens for ${protocol}`);
    return found.port;
  };
  return {
    directories,
    port,
    outPort,
    async swaks(...args) {
      const { code, stdout, stderr } = await run("swaks", [
        ...["--server", "127.0.0.1", "--port", String(port("smtp"))],
        ...["--helo", "client.source.test", "--timeout", "20", ...args],
      ]);
      return { code, text: stdout + stderr };
    },
    async ask(operation, request) {
      const client = await connectAdmin(directories.run);
      assert.ok(client, "the server runs");
      const answer = JSON.parse(await client.ask(JSON.stringify({ operation, request }))) as {
        ok: boolean;
        answer: unknown;
      };
      client.close();
      assert.ok(answer.ok, JSON.stringify(answer));
      return answer.answer;
    },
    async mail(account) {
      const directory = path.join(directories.mail, account);
      const names = await fs.readdir(directory, { recursive: true }).catch(() => []);
      const messages = names.filter((name) => /(?:^|\/)(?:new|cur)\/[^/]+$/.test(name)).sort();
      return Promise.all(messages.map((name) => fs.readFile(path.join(directory, name), "latin1")));
    },
  };
}

/** Postfix's smtp-sink as a server elsewhere that keeps every message as a file; gives their texts. */
export async function sinkAt(
  t: TestContext,
  address: string,
  port: number,
  ...options: readonly string[]
): Promise<() => Promise<string[]>> {
  const directory = await fs.mkdtemp(path.join(os.tmpdir(), "mailkeep-sink-"));
  await fs.chmod(directory, 0o777);
  const user = process.getuid?.() === 0 ? ["-u", "nobody"] : [];
  const child: ChildProcess = spawn(
    "smtp-sink",
    [
      ...user,
      ...options,
      "-d",
      `${directory}/%M.`,
      `${address.includes(":") ? `[${address}]` : address}:${port}`,
      "100",
    ],
    { stdio: "ignore" },
  );
  t.after(async () => {
    child.kill();
    if (child.exitCode === null) await once(child, "exit");
    await fs.rm(directory, { recursive: true, force: true });
  });
  await until(() => answers(port, address), "smtp-sink");
  return async () => {
    const names = (await fs.readdir(directory)).sort();
    return Promise.all(names.map((name) => fs.readFile(path.join(directory, name), "latin1")));
  };
}
