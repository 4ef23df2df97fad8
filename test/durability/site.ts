/**
 * A mail host in a directory, as an administrator would have it: accounts, aliases, a forward; the real server
 * process, which may be killed and started again as often as one likes; and the world outside: a name server and a
 * receiver that writes down what it got.
 */
import { type ChildProcess, spawn } from "node:child_process";
import * as fs from "node:fs/promises";
import * as path from "node:path";
import { createInterface } from "node:readline";
import { connectAdmin } from "../../mailserver-runtime/admin/client.ts";
import { perform } from "../../mailserver-runtime/admin/operations.ts";
import { startNameServer } from "../../mailserver-runtime/dns/server.ts";
import { silentLog } from "../../mailserver-runtime/net/log.ts";
import { type ScriptedServer, scriptedServer } from "../../mailserver-runtime/queue/scripted-server.ts";
import { type Directories, directoriesBelow } from "../../mailserver-runtime/settings/directories.ts";
import type { SettingsInput } from "../../mailserver-runtime/settings/schema.ts";
import { type Ledger, now } from "./ledger.ts";
import { recognise } from "./letters.ts";

const MAIN = path.resolve(import.meta.dirname, "../../mailserver-runtime/main.ts");
const START_MS = 60_000;
export const PASSWORD = "secret";
export const ACCOUNTS = ["anna@green.test", "ben@green.test", "cleo@green.test", "dora@green.test"] as const;
/** Larger messages are refused. */
export const SIZE_LIMIT = 400_000;

export interface StartOptions {
  /** A program and its arguments, which runs the server: strace, unshare. */
  readonly under?: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
  /** Another directory than the site's own: a copy of it. */
  readonly root?: string;
  /** Told as soon as there is a process. */
  readonly onSpawn?: (kill: () => Promise<void>) => void;
}
export interface RunningServer {
  readonly pid: number;
  port(protocol: "smtp" | "submissions" | "imaps"): number;
  /** Its further processes by their ids, as they are now. */
  workers(): Promise<readonly number[]>;
  /** SIGKILL to it and all it has started. */
  kill(): Promise<void>;
  /** SIGKILL to its first process alone. */
  killFirst(): Promise<void>;
  /** SIGTERM; its exit code. */
  stop(): Promise<number | null>;
}
export interface Site {
  readonly root: string;
  readonly directories: Directories;
  /** How many processes have been started. */
  readonly incarnation: number;
  /** Processes at least from the next start on. */
  setProcesses(least: number): Promise<void>;
  /** Changes settings of a running server. */
  change(settings: Partial<SettingsInput>): Promise<void>;
  /** Rejects when the process ends before it listens. */
  start(options?: StartOptions): Promise<RunningServer>;
  /** Mail for "hold-…" is put off by the receiver, or no longer. */
  setHolding(holding: boolean): void;
  /** Where the receiver writes down from now on what it gets. */
  writeInto(ledger: Ledger): void;
  close(): Promise<void>;
}

export async function openSite(
  root: string,
  firstLedger: Ledger,
  settings: Partial<SettingsInput> = {},
): Promise<Site> {
  const directories = directoriesBelow(root);
  const world = `${root}/world`;
  await fs.mkdir(world, { recursive: true });
  const running = new Set<ChildProcess>();
  let incarnation = 0;
  let holding = true;
  let ledger = firstLedger;
  const sink = await receiver();
  await fs.writeFile(
    `${world}/sink.test.zone`,
    "$ORIGIN sink.test.\n$TTL 60\n@ IN SOA ns hostmaster 1 3600 600 86400 60\n@ IN NS ns\nns IN A 127.0.0.1\n" +
      "@ IN MX 10 mx\nmx IN A 127.0.0.1\n",
  );
  const names = await startNameServer({
    address: "127.0.0.1",
    port: 0,
    zoneDirectory: world,
    log: silentLog,
  });
  const configuration: SettingsInput = {
    hostname: "mail.green.test",
    listeners: (["smtp", "submissions", "imaps"] as const).map((protocol) => ({
      protocol,
      address: "127.0.0.1",
      port: 0,
    })),
    message: { sizeLimit: SIZE_LIMIT },
    dns: { servers: [`127.0.0.1:${names.port}`] },
    delivery: { port: sink.port, retrySeconds: [1] },
    // What becomes of spam is another test's matter.
    filter: { junkScore: 1000, rejectScore: 1000 },
    // A long run sends more than an account may in a day; what is held would look as if it were lost.
    submission: {
      limits: {
        messagesPerHour: 0,
        messagesPerDay: 0,
        recipientsPerHour: 0,
        recipientsPerDay: 0,
        newRecipientsPerDay: 0,
      },
    },
    ...settings,
  };
  await configure(directories, configuration);

  function receiver(): Promise<ScriptedServer> {
    const putOff = new Set<string>();
    return scriptedServer({
      extensions: ["PIPELINING", "SIZE 10000000", "8BITMIME", "SMTPUTF8"],
      answer(line) {
        const recipient = /^RCPT TO:<([^>]*)>/i.exec(line)?.[1];
        if (recipient === undefined) return undefined;
        if (recipient.startsWith("no-")) return "550 5.1.1 no such user";
        if (recipient.startsWith("hold-") && holding) return "451 4.2.1 not now";
        if (recipient.startsWith("later-") && !putOff.has(recipient)) {
          putOff.add(recipient);
          return "451 4.7.1 come again";
        }
        return undefined;
      },
      onMessage({ recipients, data }) {
        const found = recognise(data.toString("latin1"));
        for (const line of recipients) {
          const recipient = /<([^>]*)>/.exec(line)?.[1] ?? line;
          const token = found.kind === "letter" && found.whole ? found.token : `${found.kind}, not whole`;
          ledger.remoteArrivals.push({ token, recipient, incarnation, at: now() });
        }
      },
    });
  }

  return {
    root,
    directories,
    get incarnation() {
      return incarnation;
    },
    setHolding(next) {
      holding = next;
    },
    writeInto(next) {
      ledger = next;
    },
    async change(changes) {
      const admin = (await connectAdmin(directories.run))!;
      try {
        const request = { settings: { ...configuration, ...changes }, owner: OWNER };
        const answer = await admin.ask(JSON.stringify({ operation: "settings.put", request }));
        if ("error" in (JSON.parse(answer) as object)) throw new Error(answer);
      } finally {
        admin.close();
      }
    },
    setProcesses: (least) => putSettings(directories, { ...configuration, workers: { least } }),
    async start({ under = [], env = {}, root: served = root, onSpawn } = {}) {
      incarnation += 1;
      const [program, ...args] = [...under, process.execPath, MAIN, "--root", served, "--log-to-stdout"];
      const child = spawn(program!, args, {
        stdio: ["ignore", "pipe", "pipe"],
        // A group of its own, so that it can be killed with all it has started.
        detached: true,
        env: { ...process.env, NODE_COMPILE_CACHE: `${world}/compiled`, UV_THREADPOOL_SIZE: "8", ...env },
      });
      running.add(child);
      let errors = "";
      child.stderr.setEncoding("utf8").on("data", (text: string) => (errors = (errors + text).slice(-4000)));
      const exited = new Promise<number | null>((resolve) =>
        child.once("exit", (code) => {
          running.delete(child);
          resolve(code);
        }),
      );
      const kill = async (): Promise<void> => {
        killGroup(child);
        await exited;
      };
      onSpawn?.(kill);
      const ports = new Map<string, number>();
      const started = new Promise<void>((resolve) => {
        createInterface({ input: child.stdout }).on("line", (line) => {
          if (ports.size > 0 || !line.includes('"event":"started"')) return;
          const { listeners } = JSON.parse(line) as { listeners: { protocol: string; port: number }[] };
          for (const { protocol, port } of listeners) ports.set(protocol, port);
          resolve();
        });
      });
      const late = setTimeout(() => killGroup(child), START_MS);
      const first = await Promise.race([started.then(() => "started"), exited]);
      clearTimeout(late);
      if (first !== "started") throw new Error(`the server ended before it listened (${first}): ${errors}`);
      return {
        pid: child.pid!,
        port: (protocol) => ports.get(protocol)!,
        workers: () => workersOf(child.pid!),
        kill,
        async killFirst() {
          process.kill(child.pid!, "SIGKILL");
          await exited;
        },
        stop() {
          process.kill(child.pid!, "SIGTERM");
          return exited;
        },
      };
    },
    async close() {
      for (const child of running) killGroup(child);
      await Promise.all([sink.close(), names.close()]);
    },
  };
}

async function workersOf(pid: number): Promise<number[]> {
  const children = await fs.readFile(`/proc/${pid}/task/${pid}/children`, "latin1");
  const found: number[] = [];
  for (const child of children.trim().split(" ").filter(Boolean)) {
    const command = await fs.readFile(`/proc/${child}/cmdline`, "latin1").catch(() => "");
    if (command.includes("workers/main")) found.push(Number(child));
  }
  return found;
}

function killGroup(child: ChildProcess): void {
  try {
    process.kill(-child.pid!, "SIGKILL");
  } catch {
    // It has ended already.
  }
}

async function configure(directories: Directories, settings: SettingsInput): Promise<void> {
  const { config } = directories;
  await fs.mkdir(config, { recursive: true });
  await fs.writeFile(
    `${config}/postfix-accounts.cf`,
    ACCOUNTS.map((account) => `${account}|{PLAIN}${PASSWORD}\n`).join(""),
  );
  await fs.writeFile(
    `${config}/postfix-virtual.cf`,
    "both@green.test anna@green.test,ben@green.test\naway@green.test fwd@sink.test\n" +
      "mixed@green.test cleo@green.test,mix@sink.test\n",
  );
  await putSettings(directories, settings);
  await perform(
    "certificate.put",
    { names: ["mail.green.test"], issuer: { type: "local-ca" }, owner: OWNER },
    contextOf(directories),
  );
}
async function putSettings(directories: Directories, settings: SettingsInput): Promise<void> {
  await perform("settings.put", { settings, owner: OWNER }, contextOf(directories));
}
const OWNER = "test";
const contextOf = (directories: Directories) => ({ directories, version: "0.0.0-test" });
