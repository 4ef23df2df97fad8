/**
 * The classifier of a server: one model for all, one for each user who has taught it, each one file.
 *
 * One process writes them; the others, and who copies a file into place, are noticed within half a minute.
 *
 * `<directory>/global.model` and `<directory>/users/<account>.model`. A file is written whole or not at all
 * (config/durable-file.ts) and may be copied at any time; one that is damaged is named in the log, set aside
 * as `.damaged`, and learning begins anew: a filter that guesses from broken counts is worse than one
 * that has no say. What was learnt is durable when `learn` resolves; many at once share one write.
 */
import { statSync } from "node:fs";
import { readFile, rename } from "node:fs/promises";
import { join } from "node:path";
import { writeDurably } from "../../config/durable-file.ts";
import type { MessageContent } from "../../message/content.ts";
import type { Log } from "../../net/log.ts";
import { startBreathing } from "../reading/breather.ts";
import { type Readable, readMessage } from "../reading/readable.ts";
import { MAX_SLOTS, MAX_USER_SLOTS, type MessageClass, Model } from "./model.ts";
import { evidenceOf, MIN_MESSAGES } from "./opinion.ts";
import { type Features, featuresOf } from "./tokens.ts";

export interface Classifier {
  /** Evidence for spam (positive) or ham (negative); undefined before enough was learnt. */
  evidence(message: Readable, user?: string): Promise<number | undefined>;
  /** Counts a message for a class, in the model of all and the user's own. Durable when it resolves. */
  learn(content: MessageContent, as: MessageClass, user?: string): Promise<void>;
  /** Takes back what `learn` did with the same message and class. Durable when it resolves. */
  unlearn(content: MessageContent, as: MessageClass, user?: string): Promise<void>;
  /** Messages learnt of each class. */
  messages(user?: string): Promise<Readonly<Record<MessageClass, number>>>;
  /** Waits for what is being written. */
  close(): Promise<void>;
}

/** Users' models that stay in memory; others are read when their user's next message comes. */
const MAX_IN_MEMORY = 16;

export function openClassifier(options: { readonly directory: string; readonly log: Log }): Classifier {
  const files = new Map<string, OpenFile>();

  /** Runs `work` on a model; the file stays open as long, so that a model never has two writers. */
  async function withModel<T>(
    user: string | undefined,
    work: (file: ModelFile) => T | Promise<T>,
  ): Promise<T> {
    const path =
      user === undefined
        ? join(options.directory, "global.model")
        : join(options.directory, "users", userFile(user));
    const known = files.get(path);
    const file =
      known !== undefined && !isReplaced(path, known)
        ? known
        : {
            opening: openModelFile(path, user === undefined ? MAX_SLOTS : MAX_USER_SLOTS, options.log),
            inUse: 0,
            lookedAt: performance.now(),
            version: versionOf(path),
          };
    // Put in anew, so that the first of the map is the one unused for longest.
    files.delete(path);
    files.set(path, file);
    file.inUse += 1;
    try {
      return await work(await file.opening);
    } catch (error) {
      // A file that could not be opened is tried again next time.
      if (
        await file.opening.then(
          () => false,
          () => true,
        )
      )
        files.delete(path);
      throw error;
    } finally {
      file.inUse -= 1;
      // What this process wrote itself is no reason to read it again.
      if (
        file.inUse === 0 &&
        (await file.opening.then(
          (one) => one.takeWritten(),
          () => false,
        ))
      )
        file.version = versionOf(path);
      forgetUnused();
    }
  }

  function forgetUnused(): void {
    for (const [path, file] of files) {
      if (files.size <= MAX_IN_MEMORY) return;
      if (file.inUse === 0 && !path.endsWith("global.model")) files.delete(path);
    }
  }

  async function change(
    content: MessageContent,
    user: string | undefined,
    apply: (model: Model, features: Features) => void,
  ): Promise<void> {
    const features = await featuresOf(await readMessage(content), startBreathing());
    const whose = user === undefined ? [undefined] : [undefined, user];
    await Promise.all(
      whose.map((one) => withModel(one, (file) => file.change((model) => apply(model, features)))),
    );
  }

  /** Nothing is read of a message where the model has no say anyway. */
  const hasSay = (model: Model): boolean =>
    model.messages.spam >= MIN_MESSAGES && model.messages.ham >= MIN_MESSAGES;

  return {
    async evidence(message, user) {
      let features: Promise<Features> | undefined;
      const ask = (whose: string | undefined): Promise<number | undefined> =>
        withModel(whose, async ({ model }) => {
          if (!hasSay(model)) return undefined;
          features ??= featuresOf(message, startBreathing());
          return evidenceOf(await features, model);
        });
      const opinions = await Promise.all(user === undefined ? [ask(undefined)] : [ask(undefined), ask(user)]);
      const known = opinions.filter((evidence) => evidence !== undefined);
      return known.length === 0 ? undefined : known.reduce((sum, one) => sum + one, 0) / known.length;
    },
    learn: (content, as, user) => change(content, user, (model, features) => model.learn(features, as)),
    unlearn: (content, as, user) => change(content, user, (model, features) => model.unlearn(features, as)),
    messages: (user) => withModel(user, ({ model }) => ({ ...model.messages })),
    async close() {
      for (const { opening } of files.values()) await (await opening.catch(() => undefined))?.settled();
    },
  };
}

interface OpenFile {
  readonly opening: Promise<ModelFile>;
  inUse: number;
  /** When its version was last asked for, on the clock of `performance.now`. */
  lookedAt: number;
  version: string;
}

/** How long a model is believed to be the file's content. */
const LOOK_MS = 30_000;

/** Whether another process wrote the file, or a person put another one in its place. Never while somebody here uses it. */
function isReplaced(path: string, file: OpenFile): boolean {
  if (file.inUse > 0 || performance.now() - file.lookedAt < LOOK_MS) return false;
  file.lookedAt = performance.now();
  return versionOf(path) !== file.version;
}
function versionOf(path: string): string {
  const stats = statSync(path, { throwIfNoEntry: false });
  return stats === undefined ? "" : `${stats.ino}:${stats.mtimeMs}:${stats.size}`;
}

interface ModelFile {
  readonly model: Model;
  /** Whether it has been written since this was asked last. */
  takeWritten(): boolean;
  /** Resolves when the change is in the file. */
  change(apply: (model: Model) => void): Promise<void>;
  settled(): Promise<void>;
}

async function openModelFile(path: string, maxSlots: number, log: Log): Promise<ModelFile> {
  const model = await readModel(path, maxSlots, log);
  /** The write that has not begun yet, which every change until then is part of. */
  let next: Promise<void> | undefined;
  let current: Promise<void> = Promise.resolve();
  let isWritten = false;
  return {
    model,
    takeWritten() {
      const was = isWritten;
      isWritten = false;
      return was;
    },
    async change(apply) {
      apply(model);
      next ??= current
        .catch(() => {})
        .then(() => {
          current = next!;
          next = undefined;
          isWritten = true;
          return writeDurably(path, model.toBytes());
        });
      await next;
    },
    settled: async () => {
      await (next ?? current).catch(() => {});
    },
  };
}

async function readModel(path: string, maxSlots: number, log: Log): Promise<Model> {
  let bytes: Buffer;
  try {
    bytes = await readFile(path);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return new Model(maxSlots);
    throw error;
  }
  const model = Model.fromBytes(bytes, maxSlots);
  if (typeof model !== "string") return model;
  log.error(
    { event: "model-damaged", file: path, reason: model, kept: `${path}.damaged` },
    "a classifier model is damaged and was set aside; learning begins anew: restore the file from a copy, or teach again",
  );
  await rename(path, `${path}.damaged`);
  return new Model(maxSlots);
}

/** An account as a file name: readable, and never a path. */
function userFile(user: string): string {
  return `${encodeURIComponent(user.toLowerCase()).replace(/\./g, "%2E").slice(0, 200)}.model`;
}
