/**
 * What an account has taught already, so that each message counts once, whichever client moves it how often.
 *
 * One plain file an account, `<account>.taught`: a line for each lesson, `<digest> spam|ham`, the last one of a digest
 * counts. The digest is of Message-ID and body, which no delivery changes. The file is bounded: the oldest lessons are
 * forgotten first, and a message behind them would count again.
 */
import { createHash } from "node:crypto";
import { appendFile, mkdir } from "node:fs/promises";
import { dirname, join } from "node:path";
import { readIfPresent, writeDurably } from "../config/durable-file.ts";
import type { MessageClass } from "../filter/bayes/model.ts";
import type { MessageContent } from "../message/content.ts";
import { headerValue, readHeaders } from "../message/headers.ts";

const MAX_LINES = 50_000;
const KEPT_LINES = 40_000;
const DIGESTED_BYTES = 262_144;

export class Taught {
  readonly #path: string;
  readonly #classes = new Map<string, MessageClass>();
  #lines = 0;

  private constructor(path: string) {
    this.#path = path;
  }
  /** Of an account, or with "" of nobody in particular. */
  static async open(directory: string, account: string): Promise<Taught> {
    const name = account === "" ? "everybody" : encodeURIComponent(account.toLowerCase()).slice(0, 200);
    const taught = new Taught(join(directory, `${name}.taught`));
    for (const line of ((await readIfPresent(taught.#path)) ?? "").split("\n")) {
      const [, digest = "", as] = /^([0-9a-f]{32}) (spam|ham)$/.exec(line) ?? [];
      if (as !== "spam" && as !== "ham") continue;
      taught.#put(digest, as);
    }
    return taught;
  }
  classOf(digest: string): MessageClass | undefined {
    return this.#classes.get(digest);
  }
  async note(digest: string, as: MessageClass): Promise<void> {
    this.#put(digest, as);
    await mkdir(dirname(this.#path), { recursive: true, mode: 0o700 });
    if (this.#lines <= MAX_LINES) {
      await appendFile(this.#path, `${digest} ${as}\n`, { mode: 0o600 });
      return;
    }
    const kept = [...this.#classes].slice(-KEPT_LINES);
    await writeDurably(this.#path, kept.map(([one, its]) => `${one} ${its}\n`).join(""));
    this.#classes.clear();
    this.#lines = 0;
    for (const [one, its] of kept) this.#put(one, its);
  }
  #put(digest: string, as: MessageClass): void {
    // Put in anew, so that the first of the map is the oldest.
    this.#classes.delete(digest);
    this.#classes.set(digest, as);
    this.#lines += 1;
  }
}

export async function digestOf(content: MessageContent): Promise<string> {
  const headers = await readHeaders(content);
  const body = await content.read(headers.end, DIGESTED_BYTES);
  const hash = createHash("sha256").update(headerValue(headers, "message-id") ?? "");
  return hash.update("\n").update(body).digest("hex").slice(0, 32);
}
