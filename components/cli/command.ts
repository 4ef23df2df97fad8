/**
 * What a command of `mailkeep` is: one row of the table in `commands.ts`, from which help, completion of mistyped
 * names and the parsing of options are made.
 */
import { nearestName } from "../provider/nearest.ts";

/** An option: a switch, or one that takes a value. */
export interface OptionSpec {
  /** One line of help. */
  summary: string;
  /** What the value is called in help; a switch has none. */
  value?: string;
  /** The values that are allowed, where they are few. */
  choices?: readonly string[];
  /** One letter. */
  short?: string;
}

export type OptionValues = Readonly<Record<string, string | true | undefined>>;

/** What a command gets. */
export interface Invocation {
  options: OptionValues;
  /** The words that are no options. */
  words: readonly string[];
}

export interface Command {
  name: string;
  /** One line of help. */
  summary: string;
  /** What follows the name, such as `<key> [value]`. */
  usage?: string;
  /** More than one line, shown by `mailkeep help <name>`. */
  details?: string;
  options: Readonly<Record<string, OptionSpec>>;
  /** How many words it takes: at least and at most. */
  words?: readonly [number, number];
  /** Gives the exit code: 0 done or unchanged, 1 error, 2 changes pending. */
  run(invocation: Invocation): Promise<number>;
}

/** Help for what a command can do, a line each, by name. */
export const actionLines = (summaries: Readonly<Record<string, string>>): string =>
  Object.entries(summaries)
    .map(([name, summary]) => `  ${name.padEnd(8)} ${summary}`)
    .join("\n");

/** The summaries of a table of actions. */
export const summariesOf = (
  actions: Readonly<Record<string, { readonly summary: string }>>,
): Record<string, string> =>
  Object.fromEntries(Object.entries(actions).map(([name, { summary }]) => [name, summary]));

/** A mistake on the command line: shown without a stack, exit code 1. */
export class UsageError extends Error {
  override readonly name = "UsageError";
}

/** "unknown option '--stak'; did you mean '--stack'?" */
export function unknownName(what: string, name: string, known: readonly string[], prefix = ""): UsageError {
  const near = nearestName(name, known);
  const hint = near === undefined ? "" : `; did you mean '${prefix}${near}'?`;
  return new UsageError(`unknown ${what} '${prefix}${name}'${hint}`);
}

/** Reads a command's words and options. Throws {@link UsageError}. */
export function parseArguments(command: Command, argv: readonly string[]): Invocation {
  const options: Record<string, string | true> = {};
  const words: string[] = [];
  const rest = [...argv];
  while (rest.length > 0) {
    const word = rest.shift()!;
    if (word === "--") {
      words.push(...rest.splice(0));
    } else if (word.startsWith("-") && word !== "-") {
      const [name, inline] = optionName(command, word);
      const spec = command.options[name]!;
      if (spec.value === undefined) {
        if (inline !== undefined) throw new UsageError(`--${name} takes no value`);
        options[name] = true;
        continue;
      }
      const value = inline ?? rest.shift();
      if (value === undefined) throw new UsageError(`--${name} needs a value: --${name} <${spec.value}>`);
      if (spec.choices && !spec.choices.includes(value)) {
        throw new UsageError(`--${name} is one of ${spec.choices.join(", ")}, not '${value}'`);
      }
      options[name] = value;
    } else {
      words.push(word);
    }
  }
  const [least, most] = command.words ?? [0, 0];
  const form = `mailkeep ${command.name}${command.usage ? ` ${command.usage}` : ""}`;
  if (words.length < least) throw new UsageError(`something is missing; usage: ${form}`);
  if (words.length > most) throw new UsageError(`'${words[most]}' is too much; usage: ${form}`);
  return { options, words };
}

function optionName(command: Command, word: string): [string, string | undefined] {
  const known = Object.keys(command.options);
  if (!word.startsWith("--")) {
    const found = known.find((name) => command.options[name]!.short === word.slice(1));
    if (found === undefined) throw new UsageError(`unknown option '${word}'`);
    return [found, undefined];
  }
  const cut = word.indexOf("=");
  const name = cut < 0 ? word.slice(2) : word.slice(2, cut);
  if (!known.includes(name)) throw unknownName("option", name, known, "--");
  return [name, cut < 0 ? undefined : word.slice(cut + 1)];
}
