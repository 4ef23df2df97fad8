/**
 * `quarantine`: the messages that policy keeps from their recipients, for people on the host itself. Exit code 1 where
 * what was named is not there, 2 for a mistake on the command line.
 *
 *     main.ts quarantine [list | show | release | learn | delete] [--all | id ...]
 */
import {
  isQuarantineAction,
  quarantineActions,
  quarantineCountLine,
  quarantinedLine,
  quarantinedText,
} from "../admin/quarantine-lines.ts";
import { ask } from "./ask.ts";
import { type CommandContext, CommandError } from "./command.ts";

export async function quarantineCommand(context: CommandContext, args: readonly string[]): Promise<number> {
  const isAll = args.includes("--all");
  const [name = "list", ...words] = args.filter((arg) => arg !== "--all");
  const known = ["list", "show", ...Object.keys(quarantineActions)];
  if (!known.includes(name))
    throw new CommandError(`there is no "quarantine ${name}"; there are: ${known.join(", ")}`, 2);
  if (name !== "list" && words.length === 0 && !isAll)
    throw new CommandError("which messages? Name their ids, or say --all", 2);
  const { entries } = await ask(context, "quarantine.list", {});
  const wanted = words.length === 0 ? entries : entries.filter(({ id }) => words.includes(id));
  if (words.length > 0 && wanted.length === 0)
    throw new CommandError(`No message in the quarantine is called ${words.join(" or ")}.`);
  const ids = wanted.map(({ id }) => id);
  if (isQuarantineAction(name)) {
    if (ids.length === 0) return say(context, "The quarantine is empty.", 0);
    const answer: { readonly count: number; readonly refused?: readonly string[] } = await ask(
      context,
      quarantineActions[name].operation,
      { ids },
    );
    context.out(quarantineCountLine(name, answer.count));
    const { refused = [] } = answer;
    for (const line of refused) context.err(line);
    return answer.count === 0 || refused.length > 0 ? 1 : 0;
  }
  if (name === "list") for (const entry of wanted) context.out(quarantinedLine(entry));
  else
    for (const id of ids)
      for (const line of quarantinedText(await ask(context, "quarantine.show", { id }))) context.out(line);
  return wanted.length === 0 ? say(context, "The quarantine is empty.", 0) : 0;
}

function say(context: CommandContext, text: string, code: number): number {
  context.out(text);
  return code;
}
