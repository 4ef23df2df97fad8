/** `setup email restrict`: postfix-send-access.cf and postfix-receive-access.cf. */
import { mailAddress } from "../../config/address.ts";
import { parseAccess, RECEIVE_ACCESS_FILE, SEND_ACCESS_FILE } from "../../config/dms/access.ts";
import { appendLine, changeLines } from "../../config/dms/edit.ts";
import { CommandError } from "../command.ts";
import type { SetupSession } from "./session.ts";
import { type SetupCommand, usageError } from "./table.ts";

const files: Readonly<Record<string, string>> = { send: SEND_ACCESS_FILE, receive: RECEIVE_ACCESS_FILE };

/** @throws {CommandError} */
export async function restrictAccess(
  command: SetupCommand,
  session: SetupSession,
  [mode, direction = "", text]: readonly string[],
): Promise<void> {
  if (mode === undefined)
    throw usageError(command, "Missing parameters: <add|del|list> <send|receive> [<email@domain.com>]");
  const file = Object.hasOwn(files, direction) ? files[direction] : undefined;
  if (file === undefined) throw usageError(command, "Missing parameters: specify 'send' or 'receive'");
  if (mode === "list") {
    const entries = await session.read(file, parseAccess);
    if (entries.length === 0) session.info(`Everyone is allowed to ${direction} mails`);
    for (const { address } of entries) session.out(`${address} \t\t REJECT`);
    return;
  }
  if (mode !== "add" && mode !== "del")
    throw usageError(command, "Missing mode: specify 'add', 'del' or 'list'");
  const given = text ?? (await session.ask("User(user@domain.com): "));
  if (given === undefined || given === "") throw new CommandError("User must not be empty");
  const address = mailAddress(given);
  await session.locked(async () => {
    const present = (await session.read(file, parseAccess)).filter((one) => one.address === address);
    if (mode === "add") {
      if (present.length > 0)
        throw new CommandError(`User '${address}' already denied to ${direction} mails`);
      await session.edit(file, appendLine(`${address} \t\t REJECT`));
      return;
    }
    if (present.length === 0) throw new CommandError(`User '${address}' not found.`);
    await session.edit(file, changeLines(new Map(present.map(({ line }) => [line, undefined]))));
  });
}
