/**
 * What the accounts of a domain use together, where the domain has a ceiling.
 *
 * An account in this process's memory is asked; of the others a small file on the state volume says what they used
 * when it last changed (`store/usage/<volume>/<domain>/<local part>`, `<bytes> <messages>`). It only spares counting:
 * where it is absent the account's files are counted. What other processes store may be seen two seconds late; all
 * that this process stores is exact, reservations included.
 */
import { mkdirSync, readdirSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import { dirname } from "node:path";
import type { Log } from "../../net/log.ts";
import { StoreError } from "../mail-store.ts";
import type { Growth, Reservation } from "../quota.ts";
import { errorCode, storeError } from "./durable.ts";
import { Serial } from "./serial.ts";
import { countFolders, type Usage } from "./usage.ts";

const NOTE_AFTER_MS = 500;
const BELIEVED_MS = 2000;

/** An account as it is counted here. */
export interface CountedAccount {
  usage(): Promise<Usage>;
  /** What is kept for messages on their way. */
  readonly reserved: Usage;
}
export interface DomainUsageOptions {
  /** Where the small files lie, and where the mail. */
  readonly directory: string;
  readonly mail: string;
  /** A domain's ceiling in bytes; 0 is none. */
  readonly ceiling: (domain: string) => number;
  /** The accounts of a domain that are in this process's memory, by local part. */
  readonly inMemory: (domain: string) => Promise<ReadonlyMap<string, CountedAccount>>;
  readonly log: Log;
}

export class DomainUsage {
  readonly #options: DomainUsageOptions;
  readonly #serials = new Map<string, Serial>();
  readonly #unwritten = new Map<string, Usage>();
  readonly #elsewhere = new Map<
    string,
    { readonly at: number; readonly bytes: ReadonlyMap<string, number> }
  >();
  #writing: NodeJS.Timeout | undefined;

  constructor(options: DomainUsageOptions) {
    this.#options = options;
  }

  /** Whether the account's domain has a ceiling. */
  limits(address: string): boolean {
    return this.#options.ceiling(domainOf(address)) > 0;
  }

  /** What the accounts of an account's domain use together; undefined where it has no ceiling. Throws StoreError. */
  async used(address: string): Promise<number | undefined> {
    return this.limits(address) ? this.#used(domainOf(address)) : undefined;
  }
  /** Runs `reserve` where the domain has room for the growth, one after the other. Throws "over-quota". */
  async within(growth: Growth, reserve: () => Promise<Reservation>): Promise<Reservation> {
    const domain = domainOf(growth.account);
    const ceiling = this.#options.ceiling(domain);
    if (ceiling <= 0 || growth.bytes <= 0) return reserve();
    let serial = this.#serials.get(domain);
    if (serial === undefined) {
      serial = new Serial();
      this.#serials.set(domain, serial);
    }
    return serial.run(async () => {
      const used = await this.#used(domain);
      if (used + growth.bytes > ceiling)
        throw new StoreError(
          "over-quota",
          `The accounts of ${domain} are full: ${used} of ${ceiling} bytes are used.`,
        );
      return reserve();
    });
  }

  async #used(domain: string): Promise<number> {
    const live = await this.#options.inMemory(domain);
    let sum = 0;
    for (const account of live.values()) sum += (await account.usage()).bytes + account.reserved.bytes;
    for (const [local, bytes] of await this.#others(domain, live)) if (!live.has(local)) sum += bytes;
    return sum;
  }

  async #others(domain: string, live: ReadonlyMap<string, unknown>): Promise<ReadonlyMap<string, number>> {
    const known = this.#elsewhere.get(domain);
    if (known !== undefined && Date.now() - known.at < BELIEVED_MS) return known.bytes;
    const bytes = new Map<string, number>();
    for (const entry of readdirSync(`${this.#options.mail}/${domain}`, { withFileTypes: true })) {
      if (!entry.isDirectory() || entry.name.startsWith(".")) continue;
      const noted = this.#noted(domain, entry.name);
      if (noted !== undefined) bytes.set(entry.name, noted);
      else if (!live.has(entry.name)) bytes.set(entry.name, await this.#count(domain, entry.name));
    }
    this.#elsewhere.set(domain, { at: Date.now(), bytes });
    return bytes;
  }
  #noted(domain: string, local: string): number | undefined {
    try {
      const bytes = Number.parseInt(
        readFileSync(`${this.#options.directory}/${domain}/${local}`, "latin1"),
        10,
      );
      return bytes >= 0 ? bytes : undefined;
    } catch {
      // Absent or unreadable: the mail itself is counted.
      return undefined;
    }
  }
  async #count(domain: string, local: string): Promise<number> {
    const account = `${this.#options.mail}/${domain}/${local}`;
    try {
      const folders = readdirSync(account).filter((name) => /^\.[^.]/.test(name));
      const usage = await countFolders([account, ...folders.map((name) => `${account}/${name}`)]);
      this.note(`${local}@${domain}`, usage);
      return usage.bytes;
    } catch (error) {
      if (errorCode(error) === "ENOENT") return 0;
      throw storeError(error, `Counting ${account}`);
    }
  }

  /** An account's usage as it is now; written a moment later, for the other processes. */
  note(address: string, usage: Usage): void {
    if (!this.limits(address)) return;
    this.#unwritten.set(address, usage);
    this.#writing ??= setTimeout(() => this.flush(), NOTE_AFTER_MS).unref();
  }
  flush(): void {
    clearTimeout(this.#writing);
    this.#writing = undefined;
    for (const [address, { bytes, messages }] of this.#unwritten) {
      const at = address.lastIndexOf("@");
      const path = `${this.#options.directory}/${address.slice(at + 1)}/${address.slice(0, at)}`;
      try {
        mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
        writeFileSync(`${path}.${process.pid}.tmp`, `${bytes} ${messages}\n`, { mode: 0o600 });
        renameSync(`${path}.${process.pid}.tmp`, path);
      } catch (error) {
        this.#options.log.warn({ err: error, account: address }, "what an account uses was not noted");
      }
    }
    this.#unwritten.clear();
  }
}

function domainOf(address: string): string {
  return address.slice(address.lastIndexOf("@") + 1).toLowerCase();
}
