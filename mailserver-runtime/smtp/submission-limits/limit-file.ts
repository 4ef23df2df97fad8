/**
 * What the limiter must know after a restart: a file of JSON lines, appended to with each message and written
 * anew when most of it is old. Lines are not synced one by one: a power loss may forget the last seconds of a
 * count, never a message. A line that cannot be read is passed over.
 */
import { appendFile, readFile, rename, writeFile } from "node:fs/promises";
import type { Log } from "../../net/log.ts";
import { AccountRecord } from "./account-record.ts";

/** One message that was counted, or, with `givenBack`, one whose count no longer stands. */
export interface CountedLine {
  readonly account: string;
  readonly at: number;
  readonly recipients: number;
  /** Hashes of recipients met for the first time. */
  readonly met: readonly string[];
  readonly alertedAt?: number;
  readonly givenBack?: true;
}
/** All there was to know of an account when the file was written anew. */
interface WholeLine {
  readonly account: string;
  readonly windows: readonly (readonly (readonly [number, number])[])[];
  readonly known: readonly string[];
  readonly alertedAt?: number;
}

/** Written anew when so many lines have come since, and at least as many as there are accounts. */
const LINES_BEFORE_REWRITE = 20_000;

export class LimitFile {
  readonly #path: string;
  readonly #log: Log;
  readonly #records: Map<string, AccountRecord>;
  #lines = 0;
  #writing: Promise<void> = Promise.resolve();

  private constructor(path: string, log: Log, records: Map<string, AccountRecord>) {
    this.#path = path;
    this.#log = log;
    this.#records = records;
  }

  /** Reads what an earlier process left; `records` is filled and belongs to the caller and the file together. */
  static async open(
    path: string,
    log: Log,
    records: Map<string, AccountRecord>,
    now: number,
  ): Promise<LimitFile> {
    const file = new LimitFile(path, log, records);
    const text = await readFile(path, "utf8").catch((error: NodeJS.ErrnoException) => {
      if (error.code !== "ENOENT") log.error({ event: "limits-unreadable", path, err: error });
      return "";
    });
    for (const line of text.split("\n")) if (line !== "") file.#take(line, now);
    if (text !== "") await file.#rewrite(now);
    return file;
  }

  /** Never rejects: what cannot be written is in the log, and counts in memory all the same. */
  append(line: CountedLine, now: number): Promise<void> {
    return this.#then(async () => {
      await appendFile(this.#path, `${JSON.stringify(line)}\n`, { mode: 0o600 });
      if (++this.#lines > LINES_BEFORE_REWRITE + this.#records.size) await this.#rewrite(now);
    });
  }

  close(): Promise<void> {
    return this.#writing;
  }

  #then(work: () => Promise<void>): Promise<void> {
    this.#writing = this.#writing
      .then(work)
      .catch((error: unknown) =>
        this.#log.error({ event: "limits-not-written", path: this.#path, err: error }),
      );
    return this.#writing;
  }

  async #rewrite(now: number): Promise<void> {
    const lines: string[] = [];
    for (const [account, { windows, known, alertedAt }] of this.#records) {
      for (const window of windows) window.forgetBefore(now);
      const whole: WholeLine = {
        account,
        windows: windows.map((window) => window.entries()),
        known: [...known],
        ...(alertedAt > 0 ? { alertedAt } : {}),
      };
      lines.push(`${JSON.stringify(whole)}\n`);
    }
    await writeFile(`${this.#path}.new`, lines.join(""), { mode: 0o600 });
    await rename(`${this.#path}.new`, this.#path);
    this.#lines = 0;
  }

  #take(line: string, now: number): void {
    try {
      const value = JSON.parse(line) as CountedLine | WholeLine;
      const record = this.#records.get(value.account) ?? new AccountRecord();
      if ("windows" in value) {
        record.know(value.known);
        for (const [index, window] of record.windows.entries()) window.restore(value.windows[index] ?? []);
      } else {
        const { at, recipients, met } = value;
        const amounts = { messages: 1, recipients, newRecipients: met.length };
        if (value.givenBack) record.uncount(amounts, met, at);
        else record.count(amounts, met, at, now);
      }
      record.alertedAt = Math.max(record.alertedAt, value.alertedAt ?? Number.NEGATIVE_INFINITY);
      this.#records.set(value.account, record);
    } catch {
      this.#log.warn(
        { event: "limits-line-unreadable", path: this.#path },
        "a line about sent mail is passed over",
      );
    }
  }
}
