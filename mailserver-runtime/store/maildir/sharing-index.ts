/**
 * Who shares mailboxes with whom: what makes the list of other users' mailboxes cheap.
 *
 * One small file for each account that shares, on the state volume, with the identifiers its lists name. It
 * only says where to look (the lists beside the mail decide), it is made anew when it is missing, and several
 * processes may read it while each writes only the files of its own accounts.
 */
import { existsSync, readdirSync, readFileSync, statSync, unlinkSync } from "node:fs";
import { readdir } from "node:fs/promises";
import type { Log } from "../../net/log.ts";
import { ACL_FILE, readAcl } from "./acl-file.ts";
import { errorCode, makeDirectory, storeError, writeFileDurably } from "./durable.ts";

/** Written when every account has been looked at. */
const COMPLETE = ".complete";

export class SharingIndex {
  readonly #directory: string;
  readonly #mail: string;
  readonly #log: Log;
  #ready: Promise<void> | undefined;
  /** Of the directory when it was read last. */
  #readAt = -1;
  /** Which version of each owner's file was read, and what it said. */
  #identifiers = new Map<string, { readonly version: string; readonly names: readonly string[] }>();
  /** The same by identifier. */
  #owners = new Map<string, Set<string>>();

  /** `directory` is the index's own, `mail` the root of all accounts' mail. */
  constructor(directory: string, mail: string, log: Log) {
    this.#directory = directory;
    this.#mail = mail;
    this.#log = log;
  }

  /** Accounts that may share something with this one, which belongs to these groups; in order. */
  async ownersFor(address: string, groups: readonly string[]): Promise<readonly string[]> {
    await this.#prepared();
    this.#read();
    const found = new Set<string>();
    const asMember = groups.flatMap((name) => [`$${name}`, `!$${name}`]);
    for (const identifier of [address, ...asMember, "anyone", "authenticated"])
      for (const owner of this.#owners.get(identifier) ?? []) if (owner !== address) found.add(owner);
    return [...found].sort();
  }

  /** Whether the account shares something with others, or others may with it. */
  async involves(address: string, groups: readonly string[]): Promise<boolean> {
    const owners = await this.ownersFor(address, groups);
    return owners.length > 0 || this.#identifiers.has(address);
  }

  /** An account's lists now name these, and no others. */
  async note(owner: string, identifiers: Iterable<string>): Promise<void> {
    await this.#prepared();
    this.#read();
    const names = [...new Set(identifiers)]
      .filter((name) => !name.startsWith("-") && name !== "owner")
      .sort();
    const before = this.#identifiers.get(owner)?.names ?? [];
    if (names.join("\n") === before.join("\n")) return;
    await this.#write(owner, names);
  }

  async #write(owner: string, names: readonly string[]): Promise<void> {
    const path = `${this.#directory}/${owner}`;
    if (names.length > 0)
      return writeFileDurably(
        path,
        names.map((name) => `${name}\n`).join(""),
        `${this.#directory}/.${owner}.tmp`,
      );
    try {
      unlinkSync(path);
    } catch (error) {
      if (errorCode(error) !== "ENOENT") throw storeError(error, `Removing ${path}`);
    }
  }

  #prepared(): Promise<void> {
    this.#ready ??= this.#prepare().catch((error) => {
      this.#ready = undefined;
      throw error;
    });
    return this.#ready;
  }
  async #prepare(): Promise<void> {
    await makeDirectory(this.#directory);
    if (existsSync(`${this.#directory}/${COMPLETE}`)) return;
    let shared = 0;
    for (const domain of await directoriesIn(this.#mail)) {
      for (const localPart of await directoriesIn(`${this.#mail}/${domain}`)) {
        const names = await identifiersIn(`${this.#mail}/${domain}/${localPart}`);
        if (names.size === 0) continue;
        shared += 1;
        await this.#write(`${localPart}@${domain}`, [...names].sort());
      }
    }
    await writeFileDurably(`${this.#directory}/${COMPLETE}`, "");
    this.#log.info({ event: "sharing-found", accounts: shared }, "looked for accounts that share mailboxes");
  }

  /** Reads what has changed: a file is replaced by a new one, so its directory shows it. */
  #read(): void {
    const { mtimeMs } = statSync(this.#directory);
    if (mtimeMs === this.#readAt && Date.now() - mtimeMs > 50) return;
    const next = new Map<string, { readonly version: string; readonly names: readonly string[] }>();
    for (const owner of readdirSync(this.#directory)) {
      if (owner.startsWith(".")) continue;
      try {
        const path = `${this.#directory}/${owner}`;
        const { ino, mtimeNs } = statSync(path, { bigint: true });
        const version = `${ino} ${mtimeNs}`;
        const known = this.#identifiers.get(owner);
        next.set(
          owner,
          known?.version === version
            ? known
            : {
                version,
                names: readFileSync(path, "utf8")
                  .split("\n")
                  .filter((name) => name !== ""),
              },
        );
      } catch (error) {
        if (errorCode(error) !== "ENOENT") throw storeError(error, `Reading ${this.#directory}/${owner}`);
      }
    }
    this.#readAt = mtimeMs;
    this.#identifiers = next;
    this.#owners = new Map();
    for (const [owner, { names }] of next) {
      for (const name of names) {
        const owners = this.#owners.get(name) ?? new Set();
        this.#owners.set(name, owners.add(owner));
      }
    }
  }
}

async function directoriesIn(path: string): Promise<string[]> {
  try {
    const entries = await readdir(path, { withFileTypes: true });
    return entries
      .filter((entry) => entry.isDirectory() && !entry.name.startsWith("."))
      .map(({ name }) => name);
  } catch {
    return [];
  }
}

/** What all lists of an account name. */
export async function identifiersIn(account: string): Promise<Set<string>> {
  const found = new Set<string>();
  let folders: string[] = [];
  try {
    folders = (await readdir(account)).filter((name) => name.startsWith("."));
  } catch {
    return found;
  }
  for (const folder of [account, ...folders.map((name) => `${account}/${name}`)]) {
    if (!existsSync(`${folder}/${ACL_FILE}`)) continue;
    for (const name of (await readAcl(folder)).keys()) found.add(name);
  }
  return found;
}
