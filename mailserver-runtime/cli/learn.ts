/**
 * `learn`: teaches the filter what is spam and what is not, for everybody and, with --account, for one account as well.
 *
 *     main.ts learn spam|ham <file | folder | account:mailbox> ... [--account <address>]
 */
import { existsSync } from "node:fs";
import { resolve } from "node:path";
import { parseArgs } from "node:util";
import { learnSource, learntLine } from "../admin/learn-lines.ts";
import { ask } from "./ask.ts";
import { type CommandContext, CommandError } from "./command.ts";

const USAGE = "usage: learn spam|ham <file | folder | account:mailbox> ... [--account <address>]";

export async function learnCommand(context: CommandContext, args: readonly string[]): Promise<number> {
  const { values, positionals } = parsed(args);
  const [as, ...sources] = positionals;
  if ((as !== "spam" && as !== "ham") || sources.length === 0) throw new CommandError(USAGE, 2);
  for (const source of sources) {
    // A file whose name looks like account:mailbox is a file.
    const from = existsSync(source) ? { path: resolve(source) } : learnSource(source, resolve);
    const account = values.account === undefined ? {} : { account: values.account };
    context.out(learntLine(source, as, await ask(context, "learn", { as, ...account, ...from })));
  }
  return 0;
}

function parsed(args: readonly string[]) {
  try {
    return parseArgs({
      args: [...args],
      options: { account: { type: "string" } },
      allowPositionals: true,
    });
  } catch (error) {
    throw new CommandError(`${(error as Error).message}\n${USAGE}`, 2);
  }
}
