/**
 * Operations by the runtime's own `admin` command (mailserver-runtime/cli/admin.ts): request lines go in, each is answered by
 * one line. Starting the command costs more than most operations, so it is kept for a moment after its last answer and serves
 * whatever a deployment asks next. How it is started (a child process, a channel to another machine) the caller says.
 */
import { createInterface } from "node:readline";
import type { Readable, Writable } from "node:stream";
import type { Limit } from "./connection.ts";
import { HostError, type HostErrorCode } from "./host-error.ts";

/** A started `admin` command. */
export interface AdminProcess {
  readonly stdin: Writable;
  readonly stdout: Readable;
  readonly stderr: Readable;
  /** Resolves when it has ended and both of its outputs are read; `code` is what an unanswered request fails with. */
  readonly ended: Promise<{ readonly reason: string; readonly code: HostErrorCode }>;
  kill(): void;
}

/** How long an idle command is kept where its start costs little. */
const IDLE_MS = 500;
const STDERR_LINES = 8;

export class AdminLines {
  readonly #start: () => AdminProcess;
  readonly #idleMs: number;
  #current: Conversation | undefined;

  constructor(start: () => AdminProcess, idleMs = IDLE_MS) {
    this.#start = start;
    this.#idleMs = idleMs;
  }

  /** The answer line to a request line. */
  ask(line: string, limit: Limit): Promise<string> {
    if (!this.#current?.open) this.#current = new Conversation(this.#start(), this.#idleMs);
    return this.#current.ask(line, limit);
  }

  /** Ends the command, if there is one: a server is about to take the files over. */
  async end(): Promise<void> {
    await this.#current?.end();
    this.#current = undefined;
  }
}

interface Waiting {
  readonly resolve: (answer: string) => void;
  readonly reject: (error: Error) => void;
  readonly timer: NodeJS.Timeout;
}

/** With one process. Answers come in the order of the requests. */
class Conversation {
  readonly #process: AdminProcess;
  readonly #idleMs: number;
  readonly #closed: Promise<void>;
  readonly #waiting: Waiting[] = [];
  readonly #complaints: string[] = [];
  #idle: NodeJS.Timeout | undefined;
  open = true;

  constructor(process: AdminProcess, idleMs: number) {
    this.#process = process;
    this.#idleMs = idleMs;
    createInterface({ input: process.stderr }).on("line", (line) => {
      this.#complaints.push(line);
      if (this.#complaints.length > STDERR_LINES) this.#complaints.shift();
    });
    createInterface({ input: process.stdout }).on("line", (line) => this.#answered(line));
    // The process may end before it has read everything; what it left unanswered is settled when it has closed.
    process.stdin.on("error", () => {});
    this.#closed = process.ended.then(({ reason, code }) => this.#ended(reason, code));
  }

  ask(line: string, { deadline }: Limit): Promise<string> {
    clearTimeout(this.#idle);
    const { promise, resolve, reject } = Promise.withResolvers<string>();
    const timer = setTimeout(
      () => {
        reject(new HostError("unreachable", "The admin command gave no answer in time."));
        this.open = false;
        this.#process.kill();
      },
      Math.max(0, deadline - Date.now()),
    );
    this.#waiting.push({ resolve, reject, timer });
    this.#process.stdin.write(`${line}\n`);
    return promise;
  }

  end(): Promise<void> {
    clearTimeout(this.#idle);
    this.open = false;
    this.#process.stdin.end();
    return this.#closed;
  }

  #answered(line: string): void {
    const first = this.#waiting.shift();
    clearTimeout(first?.timer);
    first?.resolve(line);
    if (this.#waiting.length === 0 && this.open) this.#idle = setTimeout(() => void this.end(), this.#idleMs);
  }

  #ended(reason: string, code: HostErrorCode): void {
    this.open = false;
    clearTimeout(this.#idle);
    const said = this.#complaints.map((line) => `\n  ${line}`).join("");
    for (const { reject, timer } of this.#waiting.splice(0)) {
      clearTimeout(timer);
      reject(new HostError(code, `The admin command ${reason} without an answer.${said}`));
    }
  }
}
