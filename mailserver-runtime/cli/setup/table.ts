/** The shape of one row of the setup table. */
import { CommandError } from "../command.ts";
import type { SetupSession } from "./session.ts";

export interface SetupCommand {
  /** "email add". */
  readonly name: string;
  readonly usage: string;
  readonly summary: string;
  run(session: SetupSession, args: readonly string[]): Promise<void>;
}

/** An error about the arguments, with the command's usage. */
export function usageError(command: Pick<SetupCommand, "name" | "usage">, message: string): CommandError {
  return new CommandError(`Usage: setup ${command.name} ${command.usage}\n${message}`);
}
