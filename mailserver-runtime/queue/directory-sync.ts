/**
 * One fsync of a directory for everybody who waits for one (DESIGN D6): whoever asks is answered by a sync that began
 * after the question, so a hundred messages that arrive together cost two syncs and not a hundred.
 */
import { type FileHandle, mkdir, open } from "node:fs/promises";
import { dirname } from "node:path";

/**
 * Makes a directory and those missing above it, durably. The last one's name is synced also where it was there: who made
 * it may have died before.
 */
export async function makeDirectory(path: string): Promise<void> {
  const first = (await mkdir(path, { recursive: true, mode: 0o700 })) ?? path;
  for (let made = path; made.length >= first.length; made = dirname(made)) {
    const parent = await open(dirname(made), "r");
    await parent.sync().finally(() => parent.close());
  }
}

export class DirectorySync {
  readonly #handle: FileHandle;
  #running: Promise<void> | undefined;
  #next: Promise<void> | undefined;

  private constructor(handle: FileHandle) {
    this.#handle = handle;
  }

  static async open(directory: string): Promise<DirectorySync> {
    return new DirectorySync(await open(directory, "r"));
  }

  /** Resolves when names made or removed before this call are durable. A failure is every waiter's failure. */
  sync(): Promise<void> {
    if (this.#running === undefined) return this.#start();
    this.#next ??= this.#running
      .catch(() => {})
      .then(() => {
        this.#next = undefined;
        return this.#start();
      });
    return this.#next;
  }

  async close(): Promise<void> {
    await this.#next?.catch(() => {});
    await this.#running?.catch(() => {});
    await this.#handle.close();
  }

  #start(): Promise<void> {
    const run = this.#handle.sync().finally(() => {
      if (this.#running === run) this.#running = undefined;
    });
    this.#running = run;
    return run;
  }
}
