/**
 * Bans in the kernel: what is banned does not get as far as a connection, and a flood of refused connections costs
 * packets, not processes. Needs `nft` and the right to use it (NET_ADMIN); without them bans are enforced at accept alone,
 * which they are everywhere, and that is said.
 *
 * Changes are gathered for a moment and given to one `nft` at a time. Where one fails (somebody flushed the rules) the
 * table is made anew from the list of bans, which is the truth; where that fails too, it is tried again with the next sweep.
 */
import { spawn } from "node:child_process";
import { createHash } from "node:crypto";
import { pipeline } from "node:stream/promises";
import { setImmediate } from "node:timers/promises";
import type { Log } from "../../net/log.ts";
import type { Ban } from "../ban-list.ts";
import { FOR_EVER } from "../ban-list.ts";
import { type Network, networkText, parseNetwork } from "../network.ts";
import { type BanElement, changes, type Facts, lengthsOf, noTable, wholeTable } from "./ruleset.ts";

export interface NftablesOptions {
  /** Whose table it is: the state directory, which no other server has. */
  readonly state: string;
  /** What the table is to say now; asked before it is made. */
  readonly facts: () => TableFacts;
  /** Every ban in force. */
  readonly bans: () => Iterable<Ban>;
  readonly log: Log;
  readonly now: () => number;
  /** The program; another one in tests. */
  readonly program?: string;
}
/** What the table says beside its bans. */
export interface TableFacts extends Pick<Facts, "ports" | "blockType"> {
  /** Addresses and networks that are never refused. */
  readonly spared: readonly string[];
}
/** How the kernel keeps bans, for a person. */
export type Enforcement =
  | { readonly by: "nftables"; readonly table: string }
  | { readonly by: "accept"; readonly because: string };

/** Changes wait so long for others. */
const GATHER_MS = 100;
/** nft may take so long before it is given up. */
const LONGEST_RUN_MS = 30_000;

export class Nftables {
  readonly table: string;
  readonly #options: NftablesOptions;
  #enforcement: Enforcement = { by: "accept", because: "nftables has not been tried yet" };
  /** Sets of the table that is there; undefined: there is none yet. */
  #lengths: Set<string> | undefined;
  /** What the table says beside its bans. */
  #said = "";
  /** The network's ban, or undefined where it was lifted; the last word counts. */
  #waiting = new Map<string, Ban | undefined>();
  #timer: NodeJS.Timeout | undefined;
  #work: Promise<void> = Promise.resolve();
  #told: string | undefined;

  constructor(options: NftablesOptions) {
    this.#options = options;
    this.table = `mailkeep_${createHash("sha256").update(options.state).digest("hex").slice(0, 8)}`;
  }

  get enforcement(): Enforcement {
    return this.#enforcement;
  }

  /**
   * Sees whether there is an nft that may be used, and takes away what an earlier process left. The table is made with the
   * first ban: a server that bans nobody changes nothing. Never rejects.
   */
  open(): Promise<void> {
    return this.#then(() => this.#make());
  }

  /** Makes the table anew where it is to say something else now, or failed before. Never rejects. */
  refresh(): Promise<void> {
    return this.#then(async () => {
      const failed = this.#lengths !== undefined && this.#enforcement.by === "accept";
      if (failed || (this.#lengths !== undefined && this.#said !== JSON.stringify(this.#options.facts())))
        await this.#make();
    });
  }

  /** Never waits. */
  put(ban: Ban): void {
    this.#change(ban.network, ban);
  }
  /** Never waits. */
  lift(network: string): void {
    this.#change(network, undefined);
  }

  /** Takes the table away: nobody keeps it any more. Never rejects. */
  async close(): Promise<void> {
    clearTimeout(this.#timer);
    this.#waiting.clear();
    await this.#work;
    if (this.#lengths !== undefined) await this.#run(noTable(this.table)).catch(() => undefined);
  }

  /** Resolves when what was said so far is in the kernel, or could not be put there. */
  async settled(): Promise<void> {
    this.#flush();
    await this.#work;
  }

  #change(network: string, ban: Ban | undefined): void {
    if (this.#enforcement.by !== "nftables") return;
    this.#waiting.set(network, ban);
    this.#timer ??= setTimeout(() => this.#flush(), GATHER_MS).unref();
  }

  #flush(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    if (this.#waiting.size === 0) return;
    void this.#then(async () => {
      const waiting = this.#waiting;
      this.#waiting = new Map();
      const put = [...this.#elements([...waiting.values()].filter((ban) => ban !== undefined))];
      const lifted = [...waiting].flatMap(([network, ban]) =>
        ban === undefined ? [parseNetwork(network)] : [],
      );
      const gone = lifted.filter((network) => network !== undefined);
      if (this.#lengths === undefined) return this.#make();
      try {
        const facts = this.#facts(this.#options.facts());
        await this.#run(changes(facts, this.#lengths, put, gone));
        for (const length of lengthsOf([...put.map(({ network }) => network), ...gone]))
          this.#lengths.add(length);
      } catch {
        await this.#make();
      }
    });
  }

  async #make(): Promise<void> {
    const facts = this.#options.facts();
    const lengths = new Set<string>();
    const all = [...this.#options.bans()];
    const elements = this.#elements.bind(this);
    function* counted(): Generator<BanElement> {
      for (const element of elements(all)) {
        lengths.add(`${element.network.family}/${element.network.prefix}`);
        yield element;
      }
    }
    try {
      if (all.length === 0) await this.#run(noTable(this.table));
      else await this.#run(wholeTable(this.#facts(facts), counted()));
      this.#lengths = all.length === 0 ? undefined : lengths;
      this.#said = JSON.stringify(facts);
      this.#enforcement = { by: "nftables", table: this.table };
      this.#tell(`bans are enforced by nftables (table inet ${this.table}) and at accept`);
    } catch (error) {
      this.#enforcement = { by: "accept", because: (error as Error).message };
      this.#tell(`bans are enforced at accept only: ${(error as Error).message}`);
    }
  }

  #facts({ ports, blockType, spared }: TableFacts): Facts {
    return { table: this.table, ports, blockType, spared: networksOf(spared) };
  }

  /** What is wrong is said once, until it is something else. */
  #tell(text: string): void {
    if (this.#told === text) return;
    this.#told = text;
    this.#options.log.info({ event: "ban-enforcement", ...this.#enforcement }, text);
  }

  *#elements(bans: Iterable<Ban>): Generator<BanElement> {
    for (const { network, until } of bans) {
      const parsed = parseNetwork(network);
      const left = until - this.#options.now();
      if (parsed !== undefined && left > 0)
        yield { network: parsed, lastsMs: until === FOR_EVER ? undefined : left };
    }
  }

  #then(work: () => Promise<void>): Promise<void> {
    this.#work = this.#work
      .then(work)
      .catch((error: unknown) => this.#options.log.error({ event: "nftables-failed", err: error }));
    return this.#work;
  }

  #run(script: Iterable<string>): Promise<void> {
    return new Promise((resolve, reject) => {
      const child = spawn(this.#options.program ?? "nft", ["-f", "-"], {
        stdio: ["pipe", "ignore", "pipe"],
        // Where Debian has it; an ordinary user's path does not lead there.
        env: { ...process.env, PATH: `${process.env.PATH ?? ""}:/usr/sbin:/sbin` },
        timeout: LONGEST_RUN_MS,
        killSignal: "SIGKILL",
      });
      let said = "";
      child.stderr.setEncoding("utf8").on("data", (text: string) => {
        if (said.length < 2000) said += text;
      });
      child.on("error", (error: NodeJS.ErrnoException) => reject(new Error(startFailure(error))));
      child.on("close", (code, signal) => {
        if (code === 0) resolve();
        else reject(new Error(runFailure(said, code, signal)));
      });
      // Who does not read ends by itself, and says why.
      child.stdin.on("error", () => undefined);
      void pipeline(paced(script), child.stdin).catch(() => undefined);
    });
  }
}

/** Others have their turn between two pieces. */
async function* paced(script: Iterable<string>): AsyncGenerator<string> {
  for (const piece of script) {
    await setImmediate();
    yield piece;
  }
}

function startFailure(error: NodeJS.ErrnoException): string {
  if (error.code === "ENOENT") return "nft is not installed (Debian: apt install nftables)";
  return `nft cannot be started: ${error.message}`;
}

function runFailure(said: string, code: number | null, signal: NodeJS.Signals | null): string {
  if (/operation not permitted|must be root/i.test(said))
    return "nft may not be used: the server has no right NET_ADMIN (docker run --cap-add NET_ADMIN; systemd AmbientCapabilities=CAP_NET_ADMIN)";
  if (
    /netlink|protocol not supported|no such file or directory.*cache/i.test(said.split("\n")[0] ?? "") &&
    code !== 0
  )
    return `this kernel has no nftables: ${said.split("\n")[0]}`;
  return `nft failed (${signal ?? code}): ${said.trim().split("\n")[0] ?? "it said nothing"}`;
}

/** Each network once. */
function networksOf(texts: Iterable<string>): Network[] {
  const found = new Map<string, Network>();
  for (const text of texts) {
    const network = parseNetwork(text);
    if (network !== undefined) found.set(networkText(network), network);
  }
  return [...found.values()];
}
