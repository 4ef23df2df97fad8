/**
 * `mailbox stat | check | rebuild <address>`: of the running server, or where none runs of the files themselves. Exit code 1
 * where something is wrong, 2 for a mistake on the command line.
 */
import { examinationLines, isMailboxExamination, mailboxExaminations } from "../admin/mailbox-lines.ts";
import { ask } from "./ask.ts";
import { type CommandContext, CommandError } from "./command.ts";

export async function mailboxCommand(context: CommandContext, args: readonly string[]): Promise<number> {
  const [action = "", address, ...more] = args;
  if (!isMailboxExamination(action) || address === undefined || more.length > 0)
    throw new CommandError(`usage: mailbox <${Object.keys(mailboxExaminations).join(" | ")}> <address>`, 2);
  const answer = await ask(context, mailboxExaminations[action].operation, { address });
  for (const line of examinationLines(answer)) context.out(line);
  return answer.problems.length > 0 ? 1 : 0;
}
