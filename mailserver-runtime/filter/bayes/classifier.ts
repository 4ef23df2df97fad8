/**
 * The classifier of a server: one model for all, one for each user who has taught it, each one file.
 *
 * `<directory>/global.model` and `<directory>/users/<account>.model`. A file is written whole or not at all
 * (config/durable-file.ts) and may be copied at any time; one that is damaged is named in the log, set aside
 * as `.damaged`, and learning begins anew: a filter that guesses from broken counts is worse than one
 * that has no say. What was learnt is durable when `learn` resolves; many at once share one write.
 */
import { readFile, rename } from "node:fs/promises";
import { join } from "node:path";
import { writeDurably } from "../../config/durable-file.ts";
import type { MessageContent } from "../../message/content.ts";
import type { Log } from "../../net/log.ts";
import { startBreathing } from "../reading/breather.ts";
import { type Readable, readMessage } from "../reading/readable.ts";
import { MAX_SLOTS, MAX_USER_SLOTS, type MessageClass, Model } from "./model.ts";
import { evidenceOf } from "./opinion.ts";
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
  const files = new Map<string, Promise<ModelFile>>();

  function fileOf(user: string | undefined): Promise<ModelFile> {
    const path =
      user === undefined
        ? join(options.directory, "global.model")
        : join(options.directory, "users", userFile(user));
    const known = files.get(path);
    files.delete(path);
    const file = known ?? openModelFile(path, user === undefined ? MAX_SLOTS : MAX_USER_SLOTS, options.log);
    // Re-inserted, so that the first key is the one unused for longest.
    files.set(path, file);
    if (known === undefined) {
      file.catch(() => files.delete(path));
      void forgetUnused();
    }
    return file;
  }

  async function forgetUnused(): Promise<void> {
    for (const [path, opening] of [...files]) {
      if (files.size <= MAX_IN_MEMORY) return;
      if (path.endsWith("global.model")) continue;
      const file = await opening.catch(() => undefined);
      if (file?.idle() !== false) files.delete(path);
    }
  }

  async function change(
    content: MessageContent,
    user: string | undefined,
    apply: (model: Model, features: Features) => void,
  ): Promise<void> {
    const features = await featuresOf(await readMessage(content), startBreathing());
    const models = await Promise.all(
      user === undefined ? [fileOf(undefined)] : [fileOf(undefined), fileOf(user)],
    );
    await Promise.all(models.map((file) => file.change((model) => apply(model, features))));
  }

  return {
    async evidence(message, user) {
      const all = await fileOf(undefined);
      const own = user === undefined ? undefined : await fileOf(user);
      if (all.model.features === 0 && (own === undefined || own.model.features === 0)) return undefined;
      const features = await featuresOf(message, startBreathing());
      const opinions = [all, own].flatMap((file) => {
        const evidence = file === undefined ? undefined : evidenceOf(features, file.model);
        return evidence === undefined ? [] : [evidence];
      });
      return opinions.length === 0
        ? undefined
        : opinions.reduce((sum, one) => sum + one, 0) / opinions.length;
    },
    learn: (content, as, user) => change(content, user, (model, features) => model.learn(features, as)),
    unlearn: (content, as, user) => change(content, user, (model, features) => model.unlearn(features, as)),
    messages: async (user) => ({ ...(await fileOf(user)).model.messages }),
    async close() {
      for (const file of files.values()) await (await file.catch(() => undefined))?.settled();
    },
  };
}

interface ModelFile {
  readonly model: Model;
  change(apply: (model: Model) => void): Promise<void>;
  idle(): boolean;
  settled(): Promise<void>;
}

async function openModelFile(path: string, maxSlots: number, log: Log): Promise<ModelFile> {
  const model = await readModel(path, maxSlots, log);
  /** The write that has not begun yet, which every change until then is part of. */
  let next: Promise<void> | undefined;
  let current: Promise<void> = Promise.resolve();
  return {
    model,
    async change(apply) {
      apply(model);
      next ??= current
        .catch(() => {})
        .then(() => {
          current = next!;
          next = undefined;
          return writeDurably(path, model.toBytes());
        });
      await next;
    },
    idle: () => next === undefined,
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
