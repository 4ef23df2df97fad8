/**
 * The files of one stack in Pulumi's `file://` backend, layout version 1 (pkg/backend/diy): below
 * `<backend>/.pulumi/` the checkpoint in `stacks/<project>/<stack>.json` with its last predecessor beside it
 * (`.json.bak`), a copy of every finished operation's checkpoint in `backups/`, and what each operation did in
 * `history/`. The CLI and the embedded engine work on the same files.
 *
 * It promises that the checkpoint is always a whole one, and that a file it cannot read is never written over.
 */
import { link, mkdir, readdir, readFile, rm, stat } from "node:fs/promises";
import { dirname, join } from "node:path";
import { EngineError, messageOf } from "../errors.ts";
import { parseCheckpoint, type SealedCheckpoint } from "./checkpoint.ts";
import { writeDurably } from "./durable-file.ts";

/** Diy backends know one organization, and this is its name. */
export const ORGANIZATION = "organization";

/** Copies and history entries kept for each stack; older ones go. */
const KEPT_OPERATIONS = 100;

/** What an operation did, as `pulumi stack history` shows it. */
export interface HistoryEntry {
  kind: "update" | "refresh" | "destroy";
  startTime: Date;
  endTime: Date;
  result: "succeeded" | "failed";
  resourceChanges: Record<string, number>;
}

const isMissing = (error: unknown): boolean => (error as NodeJS.ErrnoException).code === "ENOENT";

export class StackFiles {
  readonly project: string;
  readonly stack: string;
  /** Where the backend's `.pulumi` directory lies. */
  readonly backend: string;

  #ready = false;

  constructor(backend: string, project: string, stack: string) {
    this.backend = backend;
    this.project = project;
    this.stack = stack;
  }

  /** The name in the checkpoint. */
  get fullName(): string {
    return `${ORGANIZATION}/${this.project}/${this.stack}`;
  }

  get checkpoint(): string {
    return join(this.backend, ".pulumi", "stacks", this.project, `${this.stack}.json`);
  }

  get lockDirectory(): string {
    return join(this.backend, ".pulumi", "locks", ORGANIZATION, this.project, this.stack);
  }

  get #backups(): string {
    return join(this.backend, ".pulumi", "backups", this.project, this.stack);
  }

  get #history(): string {
    return join(this.backend, ".pulumi", "history", this.project, this.stack);
  }

  /** Whether the stack has a checkpoint, whole or not. */
  async exists(): Promise<boolean> {
    return stat(this.checkpoint).then(
      () => true,
      (error) => (isMissing(error) ? false : Promise.reject(error)),
    );
  }

  /** The checkpoint, still encrypted; undefined for a stack that is not made yet. Throws `state-damaged`. */
  async read(): Promise<SealedCheckpoint | undefined> {
    let text: string;
    try {
      text = await readFile(this.checkpoint, "utf8");
    } catch (error) {
      if (isMissing(error)) return undefined;
      throw error;
    }
    try {
      return parseCheckpoint(text);
    } catch (error) {
      throw await this.damaged(error);
    }
  }

  /** The error for a checkpoint that cannot be used: what is wrong, and which copy is whole. */
  async damaged(cause: unknown): Promise<EngineError> {
    const code = cause instanceof EngineError ? cause.code : "state-damaged";
    const backup = code === "state-damaged" ? await this.#newestWholeBackup() : undefined;
    const way =
      code !== "state-damaged"
        ? ""
        : backup
          ? ` The newest whole copy is ${backup}: look at it and put it in place yourself.`
          : " There is no whole copy beside it or in the backups.";
    return new EngineError(
      code,
      `the state of stack '${this.stack}' in ${this.checkpoint} cannot be used: ${messageOf(cause)}. Nothing was written.${way}`,
      { cause },
    );
  }

  async #newestWholeBackup(): Promise<string | undefined> {
    const names = await this.#list(this.#backups);
    const candidates = [
      `${this.checkpoint}.bak`,
      ...names.reverse().map((name) => join(this.#backups, name)),
    ];
    for (const path of candidates) {
      try {
        parseCheckpoint(await readFile(path, "utf8"));
        return path;
      } catch {
        // Not whole either: the next older one.
      }
    }
    return undefined;
  }

  /** Replaces the checkpoint; its predecessor stays as `.json.bak`. Makes the backend on the first write. */
  async write(text: string): Promise<void> {
    await this.#ensureBackend();
    const previous = `${this.checkpoint}.bak`;
    await rm(previous, { force: true });
    await link(this.checkpoint, previous).catch((error) => {
      if (!isMissing(error)) throw error;
    });
    await writeDurably(this.checkpoint, text);
  }

  /** Keeps a copy of the finished operation's checkpoint, and what it did. */
  async finish(entry: HistoryEntry): Promise<void> {
    const text = await readFile(this.checkpoint, "utf8");
    const nanoseconds = `${entry.endTime.getTime()}000000`;
    const seconds = (time: Date) => Math.floor(time.getTime() / 1000);
    const update = {
      kind: entry.kind,
      startTime: seconds(entry.startTime),
      message: "",
      environment: {},
      config: {},
      result: entry.result,
      endTime: seconds(entry.endTime),
      resourceChanges: entry.resourceChanges,
    };
    await writeDurably(join(this.#backups, `${this.stack}.${nanoseconds}.json`), text);
    await writeDurably(join(this.#history, `${this.stack}-${nanoseconds}.checkpoint.json`), text);
    await writeDurably(
      join(this.#history, `${this.stack}-${nanoseconds}.history.json`),
      JSON.stringify(update),
    );
    await this.#prune(this.#backups, KEPT_OPERATIONS);
    await this.#prune(this.#history, 2 * KEPT_OPERATIONS);
  }

  /** The stacks of a project that a backend holds. */
  static async list(backend: string, project: string): Promise<string[]> {
    const names = await readdir(join(backend, ".pulumi", "stacks", project)).catch((error) => {
      if (isMissing(error)) return [];
      throw error;
    });
    return names
      .filter((name) => name.endsWith(".json"))
      .map((name) => name.slice(0, -".json".length))
      .sort();
  }

  /** Makes the backend where there is none, and removes what a killed run left half written. */
  async #ensureBackend(): Promise<void> {
    if (this.#ready) return;
    this.#ready = true;
    const left = await readdir(dirname(this.checkpoint)).catch(() => []);
    for (const name of left) {
      const isHalf = name.startsWith(`${this.stack}.json.`) && name.endsWith(".tmp");
      if (isHalf) await rm(join(dirname(this.checkpoint), name), { force: true });
    }
    const meta = join(this.backend, ".pulumi", "meta.yaml");
    await mkdir(join(this.backend, ".pulumi"), { recursive: true, mode: 0o700 });
    const known = await readFile(meta, "utf8").catch((error) => {
      if (isMissing(error)) return undefined;
      throw error;
    });
    if (known === undefined) await writeDurably(meta, "version: 1\n");
  }

  async #list(directory: string): Promise<string[]> {
    const names = await readdir(directory).catch((error) => {
      if (isMissing(error)) return [];
      throw error;
    });
    return names.filter((name) => name.endsWith(".json")).sort();
  }

  async #prune(directory: string, kept: number): Promise<void> {
    const names = await this.#list(directory);
    for (const name of names.slice(0, Math.max(0, names.length - kept)))
      await rm(join(directory, name), { force: true });
  }
}
