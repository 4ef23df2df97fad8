/**
 * `mailkeep`, the command line: finds the command in the table, reads its options and runs it. What a person did
 * wrong is one sentence on standard error and exit code 1; a stack trace appears only for what must not happen.
 */
import { textOf } from "../engine/errors.ts";
import { type Command, parseArguments, UsageError, unknownName } from "./command.ts";
import { commands } from "./commands.ts";
import { commandHelp, overview } from "./help.ts";

/** Runs a command line, without `node` and the script's name, and gives the exit code. */
export async function main(argv: readonly string[]): Promise<number> {
  const [first = "help", ...rest] = argv;
  try {
    if (first === "--help" || first === "-h") return print(overview(commands));
    if (first === "--version" || first === "-v") return await find("version").run({ options: {}, words: [] });
    const command = find(first);
    if (rest.includes("--help") || rest.includes("-h")) return print(commandHelp(command));
    return await command.run(parseArguments(command, rest));
  } catch (error) {
    process.stderr.write(`mailkeep: ${textOf(error)}\n`);
    if (error instanceof UsageError)
      process.stderr.write(`'mailkeep help${known(first) ? ` ${first}` : ""}' says what there is.\n`);
    return 1;
  }
}

const known = (name: string): boolean => commands.some((command) => command.name === name);

function find(name: string): Command {
  const command = commands.find((candidate) => candidate.name === name);
  if (!command)
    throw unknownName(
      "command",
      name,
      commands.map((candidate) => candidate.name),
    );
  return command;
}

function print(text: string): number {
  process.stdout.write(text);
  return 0;
}
