/**
 * A project of its own in a temporary directory: this repository's program and provider, another configuration,
 * other ports. What a test leaves running is ended with `close`.
 */
import * as fs from "node:fs/promises";
import * as net from "node:net";
import * as os from "node:os";
import * as path from "node:path";
import { parse, stringify } from "yaml";
import { type Ran, run } from "./tools.ts";

const root = path.resolve(import.meta.dirname, "../..");
const launcher = path.join(root, "components/cli/mailkeep.js");

export interface MailConfig {
  domains: unknown[];
  mailboxes: unknown[];
  aliases?: Record<string, string[]>;
  [key: string]: unknown;
}

export class TestProject {
  readonly directory: string;
  readonly portBase: number;
  readonly #claim: net.Server;

  private constructor(directory: string, portBase: number, claim: net.Server) {
    this.directory = directory;
    this.portBase = portBase;
    this.#claim = claim;
  }

  static async create(): Promise<TestProject> {
    const directory = await fs.mkdtemp(path.join(os.tmpdir(), "mailkeep-project-"));
    const { base, claim } = await claimPortBase();
    const project = new TestProject(directory, base, claim);
    const settings = parse(await fs.readFile(path.join(root, "Pulumi.yaml"), "utf8")) as Record<
      string,
      unknown
    >;
    settings.main = path.relative(directory, path.join(root, "index.ts"));
    await fs.writeFile(path.join(directory, "Pulumi.yaml"), stringify(settings));
    await project.configure({
      domains: ["green.test", "blue.test"],
      mailboxes: ["anna@green.test", "ben@blue.test"],
      aliases: { "hello@green.test": ["anna@green.test", "ben@blue.test"] },
    });
    return project;
  }

  /** Writes Pulumi.dev.yaml. */
  async configure(mail: MailConfig, further: Record<string, unknown> = {}): Promise<void> {
    const config = {
      "mailkeep:mail": { ...mail, host: { type: "local" }, server: { portBase: this.portBase } },
      ...further,
    };
    await fs.writeFile(path.join(this.directory, "Pulumi.dev.yaml"), stringify({ config }));
  }

  /** Runs the command line of this repository in the project. */
  mailkeep(...args: string[]): Promise<Ran> {
    return run(process.execPath, [launcher, ...args], {
      cwd: this.directory,
      timeoutMs: 120_000,
      env: {
        PULUMI_BACKEND_URL: undefined,
        PULUMI_STACK: undefined,
        PULUMI_CONFIG_PASSPHRASE: undefined,
        PULUMI_CONFIG_PASSPHRASE_FILE: undefined,
      },
    });
  }

  get data(): string {
    return path.join(this.directory, ".mailkeep/dev");
  }
  get checkpoint(): string {
    return path.join(this.directory, ".mailkeep/.pulumi/stacks/mailkeep/dev.json");
  }

  async passwords(): Promise<Record<string, string>> {
    const text = await fs.readFile(path.join(this.data, "secrets.json"), "utf8");
    return (JSON.parse(text) as { passwords: Record<string, string> }).passwords;
  }
  async outputs(): Promise<{
    hostname: string;
    caCertificateFile: string;
    endpoints: { service: string; address: string; port: number }[];
  }> {
    const { stdout } = await this.mailkeep("outputs", "--json");
    return JSON.parse(stdout);
  }
  async port(service: string): Promise<number> {
    const { endpoints } = await this.outputs();
    const found = endpoints.find((endpoint) => endpoint.service === service);
    if (!found) throw new Error(`no ${service} endpoint`);
    return found.port;
  }
  /** The running server's process id, undefined when there is none. */
  async serverPid(): Promise<number | undefined> {
    const entries = await fs.readdir("/proc");
    for (const entry of entries.filter((name) => /^\d+$/.test(name))) {
      const command = await fs.readFile(`/proc/${entry}/cmdline`, "utf8").catch(() => "");
      const words = command.split("\0");
      if (words.some((word) => word.endsWith("mailserver-runtime/main.ts")) && words.includes(this.data))
        return Number(entry);
    }
    return undefined;
  }

  async close(): Promise<void> {
    const pid = await this.serverPid();
    if (pid !== undefined) process.kill(pid, "SIGKILL");
    this.#claim.close();
    await fs.rm(this.directory, { recursive: true, force: true, maxRetries: 5, retryDelay: 100 });
  }
}

/** Offsets that the server's ports have from the base. */
const OFFSETS = [25, 53, 80, 143, 443, 465, 587, 993];
/** Below what the system gives to outgoing connections, and beside the ports of a stack that nobody configured. */
const BASES = [...bases(9_000, 18_900), ...bases(22_000, 30_800)];

function bases(first: number, last: number): number[] {
  return Array.from({ length: (last - first) / 1_100 + 1 }, (_, at) => first + at * 1_100);
}

/**
 * A base whose ports are free now. The port of the base itself stays bound as long as the claim is held, so that two projects
 * that are made at the same time never get the same one.
 */
async function claimPortBase(): Promise<{ base: number; claim: net.Server }> {
  const start = Math.floor(Math.random() * BASES.length);
  for (const base of [...BASES.slice(start), ...BASES.slice(0, start)]) {
    const claim = await bound(base);
    if (claim === undefined) continue;
    const free = await Promise.all(OFFSETS.map((offset) => isFree(base + offset)));
    if (free.every(Boolean)) return { base, claim };
    claim.close();
  }
  throw new Error("no free port range on this machine");
}
/** A server at the port that keeps no process alive; undefined where the port is taken. */
function bound(port: number): Promise<net.Server | undefined> {
  return new Promise((resolve) => {
    const server = net.createServer();
    server.once("error", () => resolve(undefined));
    server.listen(port, "127.0.0.1", () => resolve(server.unref()));
  });
}
async function isFree(port: number): Promise<boolean> {
  const server = await bound(port);
  if (server === undefined) return false;
  await new Promise((resolve) => server.close(resolve));
  return true;
}
