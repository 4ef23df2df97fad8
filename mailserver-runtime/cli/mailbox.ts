/**
 * `mailbox stat | check | rebuild <address>`, and `mailbox undelete <address> [--mailbox name] [--since date]
 * [--subject words] [--list]`: of the running server, or where none runs of the files themselves. Exit code 1 where something
 * is wrong or nothing came back, 2 for a mistake on the command line.
 */
import { parseArgs } from "node:util";
import {
  examinationLines,
  expungedLines,
  isMailboxExamination,
  mailboxExaminations,
  undeletedLines,
} from "../admin/mailbox-lines.ts";
import { ask } from "./ask.ts";
import { type CommandContext, CommandError } from "./command.ts";

export async function mailboxCommand(context: CommandContext, args: readonly string[]): Promise<number> {
  const [action = "", ...rest] = args;
  if (action === "undelete") return undelete(context, rest);
  const [address, ...more] = rest;
  if (!isMailboxExamination(action) || address === undefined || more.length > 0) throw usage();
  const answer = await ask(context, mailboxExaminations[action].operation, { address });
  for (const line of examinationLines(answer)) context.out(line);
  return answer.problems.length > 0 ? 1 : 0;
}

async function undelete(context: CommandContext, args: readonly string[]): Promise<number> {
  const { address, isList, ...selection } = undeleteArguments(args);
  if (isList) {
    for (const line of expungedLines(await ask(context, "mailbox.expunged", { address, ...selection })))
      context.out(line);
    return 0;
  }
  const answer = await ask(context, "mailbox.undelete", { address, ...selection });
  for (const line of undeletedLines(answer)) context.out(line);
  return answer.mailboxes.length > 0 ? 0 : 1;
}

function undeleteArguments(args: readonly string[]) {
  const text = { type: "string" } as const;
  const options = { mailbox: text, since: text, subject: text, list: { type: "boolean" } } as const;
  try {
    const { values, positionals } = parseArgs({ args: [...args], options, allowPositionals: true });
    const [address, ...more] = positionals;
    if (address === undefined || more.length > 0) throw usage();
    const { list: isList = false, ...selection } = values;
    return { address, isList, ...selection };
  } catch (error) {
    throw error instanceof CommandError ? error : usage();
  }
}

function usage(): CommandError {
  const actions = [...Object.keys(mailboxExaminations), "undelete"].join(" | ");
  return new CommandError(
    `usage: mailbox <${actions}> <address>; undelete also takes [--mailbox name] [--since date] [--subject words] [--list]`,
    2,
  );
}
