/**
 * Teaches the classifier: one lesson after the other, each message once, in the one process that writes the models.
 *
 * Lessons come from the directory where the serving processes leave them (`collector.ts`), and from commands. Who changes
 * his mind is followed: what was learnt of the message before is taken back first.
 */
import { mkdirSync, watch } from "node:fs";
import { readdir, readFile, rm } from "node:fs/promises";
import { join } from "node:path";
import type { Classifier } from "../filter/bayes/classifier.ts";
import type { MessageClass } from "../filter/bayes/model.ts";
import type { Learner } from "../filter/engines/engine.ts";
import { type MessageContent, memoryContent } from "../message/content.ts";
import type { Log } from "../net/log.ts";
import { LESSON, type LessonHead } from "./collector.ts";
import { digestOf, Taught } from "./taught.ts";

export interface Teacher {
  /** Whether it was new. Durable in the models when it resolves. */
  teach(content: MessageContent, as: MessageClass, account?: string): Promise<boolean>;
  /** Learns from what lies in the directory now; the number of lessons that were new. */
  learnWaiting(): Promise<number>;
  /** Goes on learning what is left there, until `close`. */
  start(): void;
  close(): Promise<void>;
}
export interface TeacherOptions {
  readonly directory: string;
  readonly classifier: Pick<Classifier, "learn" | "unlearn">;
  /** Other programs that are told as well (filter/engines/); that one fails harms nobody else. */
  readonly learners?: () => readonly Learner[];
  readonly log: Log;
}

/** Looked at even when the system told nothing. */
const LOOK_MS = 60_000;
/** Lessons that come together share one look. */
const GATHER_MS = 250;

export function createTeacher({ directory, classifier, learners, log }: TeacherOptions): Teacher {
  let last: Promise<unknown> = Promise.resolve();
  let stop: (() => void) | undefined;
  let isClosed = false;
  /** The account whose lessons came last; they mostly come in rows. */
  let open: { readonly account: string; readonly taught: Taught } | undefined;

  /** One after the other, whoever asks. */
  function inTurn<T>(work: () => Promise<T>): Promise<T> {
    const turn = last.then(work, work);
    last = turn.catch(() => {});
    return turn;
  }
  async function teach(content: MessageContent, as: MessageClass, account: string): Promise<boolean> {
    if (open?.account !== account)
      open = { account, taught: await Taught.open(join(directory, "taught"), account) };
    const { taught } = open;
    const digest = await digestOf(content);
    const before = taught.classOf(digest);
    if (before === as) return false;
    const user = account === "" ? undefined : account;
    if (before !== undefined) await classifier.unlearn(content, before, user);
    await classifier.learn(content, as, user);
    await taught.note(digest, as);
    await tellLearners(content, as);
    return true;
  }
  async function tellLearners(content: MessageContent, as: MessageClass): Promise<void> {
    await Promise.all(
      (learners?.() ?? []).map((learner) =>
        learner
          .learn(content, as)
          .catch((error: unknown) =>
            log.warn(
              { event: "engine-did-not-learn", engine: learner.name, reason: String(error) },
              `${learner.name} has not learnt from a message`,
            ),
          ),
      ),
    );
  }
  async function learnWaiting(): Promise<number> {
    let learnt = 0;
    const names = await readdir(directory).catch(() => []);
    for (const name of names.sort()) {
      if (isClosed) break;
      if (!name.endsWith(LESSON)) continue;
      const path = join(directory, name);
      try {
        const bytes = await readFile(path);
        const end = bytes.indexOf("\n");
        const { as, account } = JSON.parse(bytes.toString("utf8", 0, end)) as LessonHead;
        if (await teach(memoryContent(bytes.subarray(end + 1)), as, account)) {
          learnt += 1;
          log.info({ event: "learnt", as, account }, "learnt from a message that was sorted");
        }
      } catch (error) {
        log.error({ event: "lesson-failed", file: path, error: String(error) }, "a lesson was not learnt");
      }
      await rm(path, { force: true });
    }
    return learnt;
  }

  return {
    teach: (content, as, account = "") => inTurn(() => teach(content, as, account)),
    learnWaiting: () => inTurn(learnWaiting),
    start() {
      mkdirSync(directory, { recursive: true, mode: 0o700 });
      let soon: NodeJS.Timeout | undefined;
      const look = () => {
        soon ??= setTimeout(() => {
          soon = undefined;
          void inTurn(learnWaiting);
        }, GATHER_MS).unref();
      };
      const watcher = watch(directory, { persistent: false }, look);
      watcher.on("error", () => watcher.close());
      const regularly = setInterval(look, LOOK_MS).unref();
      look();
      stop = () => {
        watcher.close();
        clearInterval(regularly);
        clearTimeout(soon);
      };
    },
    async close() {
      isClosed = true;
      stop?.();
      await last;
    },
  };
}
