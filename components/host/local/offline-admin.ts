/**
 * Operations on the files of a server that does not run: `mailserver-runtime/cli/main.ts --root DIR admin` reads request
 * lines and answers each. Starting a process costs more than most operations, so requests that wait together travel
 * together, and there is never more than one process: the files have one writer.
 */
import { spawn } from "node:child_process";
import { createInterface } from "node:readline";
import type { Limit } from "../connection.ts";
import { HostError } from "../host-error.ts";
import { commandLineMain, runtimeEnvironment } from "./runtime.ts";

interface Waiting {
  readonly line: string;
  readonly limit: Limit;
  readonly resolve: (answer: string) => void;
  readonly reject: (error: Error) => void;
}

const STDERR_LINES = 8;

export class OfflineAdmin {
  readonly #root: string;
  readonly #runDirectory: string;
  #waiting: Waiting[] = [];
  #busy = false;

  constructor(root: string, runDirectory: string) {
    this.#root = root;
    this.#runDirectory = runDirectory;
  }

  /** The answer line to a request line. */
  ask(line: string, limit: Limit): Promise<string> {
    const { promise, resolve, reject } = Promise.withResolvers<string>();
    this.#waiting.push({ line, limit, resolve, reject });
    if (!this.#busy) {
      this.#busy = true;
      setImmediate(() => void this.#drain());
    }
    return promise;
  }

  async #drain(): Promise<void> {
    while (this.#waiting.length > 0) {
      const batch = this.#waiting;
      this.#waiting = [];
      await this.#run(batch);
    }
    this.#busy = false;
  }

  /** One process for one batch. Settles every request of it, never throws. */
  async #run(batch: Waiting[]): Promise<void> {
    const open = [...batch];
    const child = spawn(process.execPath, [commandLineMain, "--root", this.#root, "admin"], {
      env: runtimeEnvironment(this.#runDirectory),
      stdio: ["pipe", "pipe", "pipe"],
    });
    const complaints: string[] = [];
    const stderr = createInterface({ input: child.stderr });
    stderr.on("line", (line) => {
      complaints.push(line);
      if (complaints.length > STDERR_LINES) complaints.shift();
    });
    const answers = createInterface({ input: child.stdout });
    answers.on("line", (line) => open.shift()?.resolve(line));
    // The process may end before it has read everything; what it left unanswered is settled below.
    child.stdin.on("error", () => {});
    child.stdin.end(batch.map(({ line }) => `${line}\n`).join(""));

    const patience = Math.max(...batch.map(({ limit }) => limit.deadline)) - Date.now();
    let late = false;
    const timer = setTimeout(
      () => {
        late = true;
        child.kill("SIGKILL");
      },
      Math.max(0, patience),
    );
    const reason = await new Promise<string>((resolve) => {
      child.on("error", (error) => resolve(`could not be started: ${error.message}`));
      child.on("close", (code, signal) => resolve(`ended with ${signal ?? `code ${code}`}`));
    });
    clearTimeout(timer);
    for (const { reject } of open) {
      reject(
        late
          ? new HostError("unreachable", "The offline admin process gave no answer in time.")
          : new HostError(
              "internal",
              `The offline admin process ${reason} without an answer.${complaints.map((line) => `\n  ${line}`).join("")}`,
            ),
      );
    }
  }
}
