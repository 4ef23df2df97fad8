/** Real clients in tests: found or the test says why it cannot run; with CI set a missing one fails. */
import { execFileSync, spawn } from "node:child_process";
import type { TestContext } from "node:test";

/** False, after telling the test to skip, when a tool is missing here; throws in CI, where every tool must be there. */
export function needs(t: TestContext, ...tools: readonly string[]): boolean {
  const missing = tools.filter((tool) => !installed(tool));
  if (missing.length === 0) return true;
  if (process.env.CI) throw new Error(`${missing.join(", ")} must be installed in CI (.ci/packages)`);
  t.skip(`${missing.join(", ")} not installed`);
  return false;
}

export function installed(tool: string): boolean {
  try {
    execFileSync("sh", ["-c", 'command -v "$1"', "sh", tool], { stdio: "ignore" });
    return true;
  } catch {
    return false;
  }
}

/** For `skip` of a test: the reason where a need is not met here; in CI, where everything must be there, it runs and fails. */
export const skipWithout = (met: boolean, reason: string): string | false =>
  met || process.env.CI !== undefined ? false : reason;

export interface Ran {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}
export interface RunOptions {
  readonly cwd?: string;
  readonly env?: Readonly<Record<string, string | undefined>>;
  readonly input?: string;
  readonly timeoutMs?: number;
}

/** Runs a command to its end; a non-zero code is a result, not an error. */
export function run(command: string, args: readonly string[], options: RunOptions = {}): Promise<Ran> {
  const { cwd, input, timeoutMs = 60_000 } = options;
  return new Promise((resolve, reject) => {
    const child = spawn(command, args, {
      cwd,
      env: { ...process.env, ...options.env },
      stdio: ["pipe", "pipe", "pipe"],
      timeout: timeoutMs,
      killSignal: "SIGKILL",
    });
    let stdout = "";
    let stderr = "";
    child.stdout.setEncoding("utf8").on("data", (text: string) => (stdout += text));
    child.stderr.setEncoding("utf8").on("data", (text: string) => (stderr += text));
    child.stdin.on("error", () => {});
    child.stdin.end(input ?? "");
    child.once("error", reject);
    // "exit" rather than "close": a server left running must not keep the test waiting for its pipes.
    child.once("exit", (code) => setImmediate(() => resolve({ code, stdout, stderr })));
  });
}
