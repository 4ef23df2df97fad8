/**
 * What the commands on a stack have in common: who runs them, being interrupted, asking before something is done.
 */
import { createInterface } from "node:readline/promises";
import type { OptionValues } from "./command.ts";
import { UsageError } from "./command.ts";
import { chooseDisplay, type Display, type OperationKind } from "./display/display.ts";
import { runPulumi } from "./pulumi-cli.ts";
import { openStack } from "./stack-operations.ts";
import { stackNamed } from "./stack-options.ts";

/** Exit codes of the stack commands. */
export const EXIT = { done: 0, failed: 1, pending: 2 } as const;

/** The options that mean the same to the Pulumi CLI. */
const SHARED_OPTIONS = ["yes", "json", "diff", "expect-no-changes"];

/**
 * Hands the command to the Pulumi CLI where it belongs there: when asked for, or when the stack's host is not this
 * machine. Gives its exit code, or undefined when the embedded engine is to do it. A stack that has its state here
 * keeps it here.
 */
export async function delegated(options: OptionValues, args: readonly string[]): Promise<number | undefined> {
  if (options.engine === "embedded") return undefined;
  const stack = stackNamed(options);
  const { workspace, target } = await openStack({ stack });
  if (options.engine !== "pulumi" && target === "local") return undefined;
  const here = (await workspace.files.exists()) || target === "local";
  if (here) await workspace.writeLocalFiles(await workspace.secrets((await workspace.files.read())?.salt));
  const environment = here ? { ...process.env, ...workspace.cliEnvironment() } : process.env;
  const passed = SHARED_OPTIONS.filter((name) => options[name]).map((name) => `--${name}`);
  return runPulumi([...args, "--stack", stack, ...passed], environment, workspace.project.directory);
}

/** The display for a command's options. */
export const displayFor = (kind: OperationKind, options: OptionValues): Display =>
  chooseDisplay(
    { kind, stack: stackNamed(options), diff: options.diff === true, out: process.stdout },
    options.json === true,
  );

/** Runs with Ctrl-C (SIGINT) and SIGTERM as "finish what is in progress, begin no more"; a second one ends at once. */
export async function interruptible<Result>(work: (signal: AbortSignal) => Promise<Result>): Promise<Result> {
  const controller = new AbortController();
  const onSignal = () => {
    if (controller.signal.aborted) process.exit(EXIT.failed);
    controller.abort();
  };
  process.on("SIGINT", onSignal);
  process.on("SIGTERM", onSignal);
  try {
    return await work(controller.signal);
  } finally {
    process.off("SIGINT", onSignal);
    process.off("SIGTERM", onSignal);
  }
}

/** Asks a yes-or-no question. Throws {@link UsageError} where nobody can answer. */
export async function confirm(question: string): Promise<boolean> {
  if (!process.stdin.isTTY || !process.stdout.isTTY) {
    throw new UsageError("nobody can be asked here; add --yes to do it without asking");
  }
  const prompt = createInterface({ input: process.stdin, output: process.stdout });
  try {
    return /^y(es)?$/i.test((await prompt.question(`${question} [y/N] `)).trim());
  } finally {
    prompt.close();
  }
}
