/**
 * Bans on disk, `state/bans.jsonl`: one JSON object a line, the last one of a network counts, `until` null
 * where it never ends, `{"network", "lifted": true}` where it was ended early.
 *
 * Lines are appended in batches and synced; when most of the file is history it is written anew. A line cut
 * off by a power loss, or of another making, is passed over. A file that cannot be written costs nothing but
 * the memory across a restart, and is said.
 */
import { createReadStream } from "node:fs";
import { type FileHandle, open } from "node:fs/promises";
import { createInterface } from "node:readline";
import { z } from "zod";
import { writeDurably } from "../config/durable-file.ts";
import { type Ban, FOR_EVER } from "./ban-list.ts";
import { networkText, parseNetwork } from "./network.ts";
import { jails } from "./offence.ts";

/** A larger file is not read to its end: memory at a start is bounded. */
const LARGEST_FILE = 64 * 1024 * 1024;

const time = z.int().min(0).max(FOR_EVER);
const line = z.union([
  z.object({
    network: z.string().max(50),
    jail: z.enum(jails),
    reason: z.string().max(1000),
    since: time,
    until: time.nullable(),
    times: z.int().min(1),
    from: z.string().max(255).optional(),
  }),
  z.object({ network: z.string().max(50), lifted: z.literal(true) }),
]);

/** What the file holds by network, of at most `most` networks; the number of lines that are not understood. */
export async function readBans(
  path: string,
  most: number,
): Promise<{ readonly bans: Map<string, Ban>; readonly broken: number }> {
  const bans = new Map<string, Ban>();
  let broken = 0;
  try {
    const input = createReadStream(path, { end: LARGEST_FILE });
    for await (const text of createInterface({ input, crlfDelay: Number.POSITIVE_INFINITY })) {
      if (text === "") continue;
      const ban = understood(text);
      if (ban === undefined) broken++;
      else {
        bans.delete(ban.network);
        if (!("lifted" in ban)) bans.set(ban.network, ban);
        const [oldest] = bans.keys();
        if (bans.size > most && oldest !== undefined) bans.delete(oldest);
      }
    }
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "ENOENT") throw error;
  }
  return { bans, broken };
}

function understood(text: string): Ban | { network: string; lifted: true } | undefined {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return undefined;
  }
  const read = line.safeParse(value);
  const network = read.success ? parseNetwork(read.data.network) : undefined;
  if (!read.success || network === undefined) return undefined;
  const { data } = read;
  if ("lifted" in data) return { network: networkText(network), lifted: true };
  return { ...data, network: networkText(network), until: data.until ?? FOR_EVER };
}

function written(ban: Ban): string {
  return JSON.stringify({ ...ban, until: ban.until === FOR_EVER ? null : ban.until });
}

export class BanFile {
  readonly #path: string;
  readonly #all: () => Iterable<Ban>;
  readonly #onError: (error: unknown) => void;
  /** What is to be appended, one line a network: a flood of bans waits in as many lines as there are bans. */
  #waiting = new Map<string, string>();
  #file: FileHandle | undefined;
  #lines = 0;
  #entries = 0;
  #work: Promise<void> | undefined;

  /** @param all the bans to keep when the file is written anew */
  constructor(path: string, all: () => Iterable<Ban>, onError: (error: unknown) => void) {
    this.#path = path;
    this.#all = all;
    this.#onError = onError;
  }

  put(ban: Ban): void {
    this.#append(ban.network, written(ban));
  }
  lift(network: string): void {
    this.#append(network, JSON.stringify({ network, lifted: true }));
  }

  #append(network: string, text: string): void {
    this.#waiting.set(network, text);
    this.#work ??= this.#write()
      .catch(this.#onError)
      .finally(() => {
        this.#work = undefined;
      });
  }

  /** Resolves when everything said so far is on disk, or could not be written. */
  async settled(): Promise<void> {
    while (this.#work !== undefined) await this.#work;
  }

  async close(): Promise<void> {
    await this.settled();
    await this.#file?.close();
    this.#file = undefined;
  }

  async #write(): Promise<void> {
    // What is reported in one turn is written in one batch.
    await Promise.resolve();
    while (this.#waiting.size > 0) {
      if (this.#file === undefined || this.#lines > 2 * this.#entries + 1000) await this.#writeAnew();
      else await this.#writeMore(this.#file);
    }
  }

  async #writeMore(file: FileHandle): Promise<void> {
    const batch = [...this.#waiting.values()];
    this.#waiting = new Map();
    try {
      await file.appendFile(`${batch.join("\n")}\n`);
      await file.datasync();
      this.#lines += batch.length;
    } catch (error) {
      // After a failed write or sync nothing is known about the file: the next one makes it anew.
      this.#file = undefined;
      await file.close().catch(() => undefined);
      throw error;
    }
  }

  async #writeAnew(): Promise<void> {
    const file = this.#file;
    this.#file = undefined;
    await file?.close();
    // The list holds everything that waits, and more.
    this.#waiting = new Map();
    const lines = [...this.#all()].map(written);
    await writeDurably(this.#path, lines.map((text) => `${text}\n`).join(""));
    this.#file = await open(this.#path, "a", 0o600);
    this.#lines = lines.length;
    this.#entries = lines.length;
  }
}
