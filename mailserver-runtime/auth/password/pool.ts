/**
 * Password hashing off the event loop: one thread of its own, started at the first use and ended after a
 * minute without work, with a bounded queue in front of it.
 *
 * One thread, because a login storm must leave the other cores to mail; bounded, because each attempt in
 * the queue is a client who waits: beyond QUEUE_LIMIT an attempt is refused at once as Busy ("temporary"
 * to the client), which costs a guesser more than us.
 */
import { Worker } from "node:worker_threads";
import { type NewScheme, UnsupportedScheme } from "./schemes.ts";

/** Too many passwords wait to be checked; the caller answers 454 4.7.0 or NO [UNAVAILABLE]. */
export class PasswordHashingBusy extends Error {
  override name = "PasswordHashingBusy";
}

/** At some milliseconds each this is about two seconds of waiting. */
const QUEUE_LIMIT = 512;
const IDLE_MS = 60_000;

type Task =
  | { readonly kind: "hash"; readonly text: string; readonly scheme: NewScheme }
  | { readonly kind: "verify"; readonly text: string; readonly stored: string };
/** What the thread answers; errors travel as their kind and text. */
export type ThreadAnswer =
  | { readonly id: number; readonly value: string | boolean }
  | { readonly id: number; readonly error: string; readonly unsupported: boolean };
/** What the thread is asked. */
export type ThreadTask = Task & { readonly id: number };

interface Waiting {
  resolve(value: string | boolean): void;
  reject(error: Error): void;
}

let thread: Worker | undefined;
let idle: NodeJS.Timeout | undefined;
let lastId = 0;
const waiting = new Map<number, Waiting>();

/**
 * `{SHA512-CRYPT}…` of a password, or `{SCRAM-SHA-256}…` where that is asked for.
 *
 * @throws {PasswordHashingBusy | RangeError}
 */
export async function hashPassword(text: string, scheme: NewScheme = "SHA512-CRYPT"): Promise<string> {
  return (await run({ kind: "hash", text, scheme })) as string;
}

/**
 * Whether `text` is the password of `stored`, a `{SCHEME}hash`.
 *
 * @throws {PasswordHashingBusy | UnsupportedScheme}
 */
export async function verifyPassword(text: string, stored: string): Promise<boolean> {
  return (await run({ kind: "verify", text, stored })) as boolean;
}

/** Ends the thread now; what waits is refused as Busy. A later call starts a new one. */
export async function closePasswordHashing(): Promise<void> {
  const ending = thread;
  retire(new PasswordHashingBusy("password hashing is stopping"));
  await ending?.terminate();
}

function run(task: Task): Promise<string | boolean> {
  if (waiting.size >= QUEUE_LIMIT)
    return Promise.reject(new PasswordHashingBusy(`${waiting.size} passwords already wait to be checked`));
  const id = ++lastId;
  return new Promise((resolve, reject) => {
    waiting.set(id, { resolve, reject });
    const worker = started();
    worker.ref();
    clearTimeout(idle);
    worker.postMessage({ ...task, id } satisfies ThreadTask);
  });
}

function started(): Worker {
  if (thread !== undefined) return thread;
  const worker = new Worker(new URL("./thread.ts", import.meta.url), {
    // Its only work is arithmetic: a small heap bounds what a mistake could take.
    resourceLimits: { maxOldGenerationSizeMb: 32, maxYoungGenerationSizeMb: 4 },
  });
  worker.on("message", (answer: ThreadAnswer) => settle(worker, answer));
  const died = (error: Error) => {
    if (thread === worker) retire(error);
  };
  worker.on("error", (error) =>
    died(new PasswordHashingBusy(`the password thread failed: ${String(error)}`)),
  );
  worker.on("exit", (code) => died(new PasswordHashingBusy(`the password thread ended with code ${code}`)));
  thread = worker;
  return worker;
}

function settle(worker: Worker, answer: ThreadAnswer): void {
  const waiter = waiting.get(answer.id);
  waiting.delete(answer.id);
  if ("value" in answer) waiter?.resolve(answer.value);
  else
    waiter?.reject(answer.unsupported ? new UnsupportedScheme(answer.error) : new RangeError(answer.error));
  if (waiting.size > 0 || thread !== worker) return;
  // An idle thread must not keep a command alive that has nothing else to do.
  worker.unref();
  clearTimeout(idle);
  idle = setTimeout(() => void closePasswordHashing(), IDLE_MS).unref();
}

function retire(error: Error): void {
  thread = undefined;
  clearTimeout(idle);
  const left = [...waiting.values()];
  waiting.clear();
  for (const waiter of left) waiter.reject(error);
}
