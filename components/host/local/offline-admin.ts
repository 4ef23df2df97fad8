/**
 * Operations on the files of a server that does not run: `mailserver-runtime/cli/main.ts --root DIR admin` reads request lines
 * and answers each in turn. Starting it costs more than most operations, so it is kept for a moment after its last answer and
 * serves whatever a deployment asks next.
 */
import { type ChildProcessWithoutNullStreams, spawn } from "node:child_process";
import { createInterface } from "node:readline";
import type { Limit } from "../connection.ts";
import { HostError } from "../host-error.ts";
import { commandLineMain, runtimeEnvironment } from "./runtime.ts";

/** How long an idle process is kept. */
const IDLE_MS = 500;
const STDERR_LINES = 8;

export class OfflineAdmin {
  readonly #root: string;
  readonly #runDirectory: string;
  #current: OfflineProcess | undefined;

  constructor(root: string, runDirectory: string) {
    this.#root = root;
    this.#runDirectory = runDirectory;
  }

  /** The answer line to a request line. */
  ask(line: string, limit: Limit): Promise<string> {
    if (!this.#current?.open) this.#current = new OfflineProcess(this.#root, this.#runDirectory);
    return this.#current.ask(line, limit);
  }

  /** Ends the process, if there is one: a server is about to take the files over. */
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

/** One process. Answers come in the order of the requests. */
class OfflineProcess {
  readonly #child: ChildProcessWithoutNullStreams;
  readonly #closed: Promise<void>;
  readonly #waiting: Waiting[] = [];
  readonly #complaints: string[] = [];
  #idle: NodeJS.Timeout | undefined;
  open = true;

  constructor(root: string, runDirectory: string) {
    this.#child = spawn(process.execPath, [commandLineMain, "--root", root, "admin"], {
      env: runtimeEnvironment(runDirectory),
      stdio: ["pipe", "pipe", "pipe"],
    });
    createInterface({ input: this.#child.stderr }).on("line", (line) => {
      this.#complaints.push(line);
      if (this.#complaints.length > STDERR_LINES) this.#complaints.shift();
    });
    createInterface({ input: this.#child.stdout }).on("line", (line) => this.#answered(line));
    // The process may end before it has read everything; what it left unanswered is settled when it has closed.
    this.#child.stdin.on("error", () => {});
    this.#closed = new Promise((resolve) => {
      const end = (reason: string) => {
        this.#ended(reason);
        resolve();
      };
      this.#child.on("error", (error) => end(`could not be started: ${error.message}`));
      this.#child.on("close", (code, signal) => end(`ended with ${signal ?? `code ${code}`}`));
    });
  }

  ask(line: string, { deadline }: Limit): Promise<string> {
    clearTimeout(this.#idle);
    const { promise, resolve, reject } = Promise.withResolvers<string>();
    const timer = setTimeout(
      () => {
        reject(new HostError("unreachable", "The offline admin process gave no answer in time."));
        this.open = false;
        this.#child.kill("SIGKILL");
      },
      Math.max(0, deadline - Date.now()),
    );
    this.#waiting.push({ resolve, reject, timer });
    this.#child.stdin.write(`${line}\n`);
    return promise;
  }

  end(): Promise<void> {
    clearTimeout(this.#idle);
    this.open = false;
    this.#child.stdin.end();
    return this.#closed;
  }

  #answered(line: string): void {
    const first = this.#waiting.shift();
    clearTimeout(first?.timer);
    first?.resolve(line);
    if (this.#waiting.length === 0 && this.open) this.#idle = setTimeout(() => void this.end(), IDLE_MS);
  }

  #ended(reason: string): void {
    this.open = false;
    clearTimeout(this.#idle);
    const said = this.#complaints.map((line) => `\n  ${line}`).join("");
    for (const { reject, timer } of this.#waiting.splice(0)) {
      clearTimeout(timer);
      reject(new HostError("internal", `The offline admin process ${reason} without an answer.${said}`));
    }
  }
}
