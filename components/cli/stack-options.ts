/** Options that the stack commands share. */
import type { OptionSpec } from "./command.ts";

/** The stack a command works on where none is named. */
export const DEFAULT_STACK = "dev";

export const stackOption: Record<string, OptionSpec> = {
  stack: {
    summary: `the stack to work on; PULUMI_STACK or '${DEFAULT_STACK}' when absent`,
    value: "name",
    short: "s",
  },
};

export const engineOption: Record<string, OptionSpec> = {
  engine: {
    summary: "who runs the program: the engine built in, or the Pulumi CLI; by default the one the stack has",
    value: "engine",
    choices: ["embedded", "pulumi"],
  },
};

export const jsonOption: Record<string, OptionSpec> = {
  json: { summary: "one JSON object a line, for programs; never a secret" },
};

export const yesOption: Record<string, OptionSpec> = {
  yes: { summary: "do it without asking", short: "y" },
};

export const diffOption: Record<string, OptionSpec> = {
  diff: { summary: "show every change property by property" },
};

/** The stack a command line means. */
export const stackNamed = (options: Readonly<Record<string, string | true | undefined>>): string =>
  typeof options.stack === "string"
    ? options.stack
    : (process.env.PULUMI_STACK?.split("/").at(-1) ?? DEFAULT_STACK);

/** How long a person waits for the answer to a command. */
export const answerLimit = () => ({ deadline: Date.now() + 60_000 });
