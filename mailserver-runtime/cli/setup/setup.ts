/**
 * `setup`: docker-mailserver's command, on the same files with the same words. One table has every
 * subcommand; the usage text is made from it.
 *
 * Exit codes are DMS's: 0 done, 1 wrong arguments or not possible, 2 no such command. Files are changed line
 * by line, so that comments and order stay. What the stack declares is not changed from here, except for
 * passwords: the sentence names the owner.
 */

import { OperationError } from "../../admin/context.ts";
import { closePasswordHashing } from "../../auth/password/password.ts";
import { InvalidAddress } from "../../config/address.ts";
import { UnusableSettings } from "../../config/configuration.ts";
import { LockHeld } from "../../config/lock.ts";
import { BrokenStackFile } from "../../config/stack/files.ts";
import { type CommandContext, CommandError } from "../command.ts";
import { aliasCommands } from "./alias.ts";
import { appPasswordCommands } from "./app-password.ts";
import { debugCommands } from "./debug.ts";
import { configCommands } from "./dkim.ts";
import { emailCommands } from "./email.ts";
import { fail2banCommands } from "./fail2ban.ts";
import { masterCommands } from "./master.ts";
import { endPrompts } from "./prompt.ts";
import { quotaCommands } from "./quota.ts";
import { relayCommands } from "./relay.ts";
import { openSession, tellServer } from "./session.ts";
import type { SetupCommand } from "./table.ts";

export const setupCommands: readonly SetupCommand[] = [
  ...emailCommands,
  ...aliasCommands,
  ...quotaCommands,
  ...masterCommands,
  ...appPasswordCommands,
  ...configCommands,
  ...relayCommands,
  ...fail2banCommands,
  ...debugCommands,
];

/** Performs `setup <args>`; the exit code. */
export async function setupCommand(context: CommandContext, args: readonly string[]): Promise<number> {
  if (args.length === 0 || args[0] === "help") {
    context.out(usage());
    return 0;
  }
  const command = setupCommands.find(({ name }) => name === args.slice(0, name.split(" ").length).join(" "));
  if (command === undefined) {
    context.err(
      `The command '${args.join(" ")}' is invalid.\nUse \`setup help\` to get an overview of all commands.`,
    );
    return 2;
  }
  const rest = args.slice(command.name.split(" ").length);
  if (rest[0] === "help" || rest[0] === "-h") {
    context.out(`Usage: setup ${command.name} ${command.usage}\n\n${command.summary}`);
    return 0;
  }
  const session = openSession(context);
  try {
    await command.run(session, rest);
    if (session.changed) await tellServer(session);
    return 0;
  } catch (error) {
    if (!isExpected(error)) throw error;
    context.err(`[  ERROR  ]  ${error.message}`);
    return error instanceof CommandError ? error.exitCode : 1;
  } finally {
    endPrompts();
    await closePasswordHashing();
  }
}

const expected = [
  CommandError,
  OperationError,
  InvalidAddress,
  LockHeld,
  BrokenStackFile,
  UnusableSettings,
  RangeError,
] as const;

/** Mistakes and refusals are told in a sentence; so is what the file system says (EACCES, ENOSPC). */
function isExpected(error: unknown): error is Error {
  if (expected.some((kind) => error instanceof kind)) return true;
  return error instanceof Error && typeof (error as NodeJS.ErrnoException).syscall === "string";
}

function usage(): string {
  const rows = setupCommands.map(
    ({ name, usage: args, summary }) =>
      `    setup ${name}${args === "" ? "" : ` ${args}`}\n        ${summary}`,
  );
  return `SETUP(1)\n\nUsage: setup <command> <subcommand> [<arguments>]\n\n${rows.join("\n")}\n\n\`setup <command> <subcommand> help\` explains one.`;
}
