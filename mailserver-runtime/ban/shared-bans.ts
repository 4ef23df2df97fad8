/**
 * Bans that several mail hosts tell each other, by a directory that all of them see (`ban.sharedDirectory`: a network file
 * system, or one that is synchronised). Each host writes a file of its own there, named after it, in the format of
 * `ban-file.ts`, and reads the others'; nobody writes into another's file, so nothing need be locked.
 *
 * What a host told goes into force here with its reason, its end and the host's name. What another host says can only ban;
 * our own never-banned list still counts, and a ban lifted there ends here when it came from there.
 */
import { readdir, stat } from "node:fs/promises";
import { join } from "node:path";
import type { Log } from "../net/log.ts";
import { BanFile, readBans } from "./ban-file.ts";
import type { Ban } from "./ban-list.ts";

export interface SharedBansOptions {
  /** Where the files lie; undefined: nothing is shared. */
  readonly directory: string | undefined;
  /** This host's name among the files. */
  readonly self: string;
  readonly log: Log;
  readonly most: number;
  /** This host's own bans in force, those of others left out. */
  readonly own: () => Iterable<Ban>;
  /** A ban of another host, in force by its own clock. */
  readonly put: (ban: Ban, host: string) => void;
  /** Another host does not ban this network any more. */
  readonly lift: (network: string, host: string) => void;
}

const POLL_MS = 10_000;
const FILE = /^bans-([A-Za-z0-9._-]{1,100})\.jsonl$/;
/** A directory with more files is not one of ours. */
const MOST_HOSTS = 100;

export class SharedBans {
  readonly #options: SharedBansOptions;
  readonly #file: BanFile | undefined;
  readonly #seen = new Map<string, { readonly signature: string; readonly networks: ReadonlySet<string> }>();
  readonly #timer: NodeJS.Timeout | undefined;
  #looking: Promise<void> | undefined;
  #told = "";

  constructor(options: SharedBansOptions) {
    const { directory, self, own } = options;
    this.#options = options;
    if (directory === undefined) return;
    this.#file = new BanFile(join(directory, `bans-${self}.jsonl`), own, (error) => this.#tell(error));
    this.#timer = setInterval(() => void this.look(), POLL_MS).unref();
  }

  /** A ban set here, for the others. */
  put(ban: Ban): void {
    this.#file?.put(ban);
  }
  lift(network: string): void {
    this.#file?.lift(network);
  }

  /** Reads what the others wrote since the last look. Never rejects. */
  look(): Promise<void> {
    this.#looking ??= this.#look()
      .catch((error: unknown) => this.#tell(error))
      .finally(() => {
        this.#looking = undefined;
      });
    return this.#looking;
  }

  async close(): Promise<void> {
    clearInterval(this.#timer);
    await this.#looking;
    await this.#file?.close();
  }

  async #look(): Promise<void> {
    const { directory, self } = this.#options;
    if (directory === undefined) return;
    const names = (await readdir(directory)).sort();
    const hosts = names.flatMap((name) => FILE.exec(name)?.[1] ?? []).filter((host) => host !== self);
    for (const host of hosts.slice(0, MOST_HOSTS)) await this.#read(directory, host);
    this.#told = "";
  }

  async #read(directory: string, host: string): Promise<void> {
    const path = join(directory, `bans-${host}.jsonl`);
    const { ino, size, mtimeMs } = await stat(path);
    const signature = `${ino} ${size} ${mtimeMs}`;
    const before = this.#seen.get(host);
    if (before?.signature === signature) return;
    const { bans } = await readBans(path, this.#options.most);
    for (const ban of bans.values()) this.#options.put(ban, host);
    for (const network of before?.networks ?? []) if (!bans.has(network)) this.#options.lift(network, host);
    this.#seen.set(host, { signature, networks: new Set(bans.keys()) });
  }

  /** Once, until it is something else. */
  #tell(error: unknown): void {
    const text = String(error);
    if (text === this.#told) return;
    this.#told = text;
    this.#options.log.warn(
      { event: "bans-not-shared", directory: this.#options.directory, err: error },
      "bans are not shared with other hosts now",
    );
  }
}
