/**
 * `queue` and `metrics`: the running server's outbound queue and figures, for people on the host itself. Exit code 1 where
 * what was named is not there, 2 for a mistake on the command line.
 *
 *     main.ts queue [list | show | hold | release | retry | bounce | delete] [--all | id | sender | recipient | domain ...]
 *     main.ts metrics
 */
import {
  countLine,
  entryLine,
  type QueueAction,
  queueActions,
  selectionOf,
  shownLines,
} from "../admin/queue-lines.ts";
import { ask } from "./ask.ts";
import { type CommandContext, CommandError } from "./command.ts";

export async function queueCommand(context: CommandContext, args: readonly string[]): Promise<number> {
  const all = args.includes("--all");
  const [name = "list", ...words] = args.filter((arg) => arg !== "--all");
  const known = ["list", "show", ...Object.keys(queueActions)];
  if (!known.includes(name))
    throw new CommandError(`there is no "queue ${name}"; there are: ${known.join(", ")}`, 2);
  if (words.length === 0 && !all && !["list", "retry"].includes(name))
    throw new CommandError("which messages? Name ids, senders, recipients or their domains, or say --all", 2);
  const select = words.length === 0 ? { all: true } : selectionOf(words);
  if (isAction(name)) {
    const { count } = await ask(context, queueActions[name].operation, { select });
    context.out(countLine(name, count));
    return count === 0 && words.length > 0 ? 1 : 0;
  }
  const { entries, total } = await ask(context, "queue.list", { select });
  for (const entry of entries) {
    if (name === "list") context.out(entryLine(entry));
    else for (const line of shownLines(await ask(context, "queue.show", { id: entry.id }))) context.out(line);
  }
  if (total > entries.length) context.out(`... and ${total - entries.length} more`);
  if (total > 0) return 0;
  context.out(
    words.length === 0 ? "The queue is empty." : `No message in the queue fits ${words.join(", ")}.`,
  );
  return words.length === 0 ? 0 : 1;
}

export async function metricsCommand(context: CommandContext): Promise<number> {
  context.out((await ask(context, "metrics", {})).text.trimEnd());
  return 0;
}

const isAction = (name: string): name is QueueAction => Object.hasOwn(queueActions, name);
