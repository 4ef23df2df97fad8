/** `setup alias`: postfix-virtual.cf. */
import { declaredAccount } from "../../admin/setup-owned.ts";
import { aliasAddress } from "../../config/address.ts";
import { appendLine, changeLines } from "../../config/dms/edit.ts";
import { parseVirtual, VIRTUAL_FILE, type VirtualLine } from "../../config/dms/virtual.ts";
import { CommandError } from "../command.ts";
import { refuseStackOwned, type SetupSession } from "./session.ts";
import { type SetupCommand, usageError } from "./table.ts";

const add: SetupCommand = {
  name: "alias add",
  usage: "<EMAIL ADDRESS> <RECIPIENT>",
  summary: "adds a recipient to an alias, making the alias where it is new",
  async run(session, args) {
    const { alias, recipient } = named(this, args);
    await refuseStackOwned(session, "aliases", alias);
    const account = await declaredAccount(session.directories.config, alias);
    if (account !== undefined) throw new CommandError(`'${alias}' is already defined to be an account`);
    await session.locked(async () => {
      const entry = (await session.read(VIRTUAL_FILE, parseVirtual)).find((one) => one.address === alias);
      if (entry === undefined) {
        await session.edit(VIRTUAL_FILE, appendLine(`${alias} ${recipient}`));
        return;
      }
      if (entry.targets.some((target) => same(target, recipient)))
        throw new CommandError(`'${alias}' already leads to '${recipient}'`);
      await session.edit(VIRTUAL_FILE, (lines) =>
        changeLines(new Map([[entry.line, `${lines[entry.line - 1]!.trimEnd()},${recipient}`]]))(lines),
      );
    });
  },
};

const del: SetupCommand = {
  name: "alias del",
  usage: "<EMAIL ADDRESS> <RECIPIENT>",
  summary: "takes a recipient from an alias; _ means all aliases",
  async run(session, args) {
    const { alias, recipient } = named(this, args);
    if (alias !== "_") await refuseStackOwned(session, "aliases", alias);
    await session.locked(() => removeRecipients(session, recipient, alias === "_" ? undefined : alias));
  },
};

const list: SetupCommand = {
  name: "alias list",
  usage: "",
  summary: "lists aliases and their recipients",
  async run(session) {
    for (const { address, targets } of await session.read(VIRTUAL_FILE, parseVirtual))
      session.out(`* ${address} ${targets.join(",")}`);
  },
};

export const aliasCommands: readonly SetupCommand[] = [add, del, list];

/** Takes a recipient from one alias, or from all; an alias without recipients goes. The caller holds the lock. */
export async function removeRecipients(
  session: SetupSession,
  recipient: string,
  alias: string | undefined,
): Promise<void> {
  const changed = (await session.read(VIRTUAL_FILE, parseVirtual)).filter(
    (entry) =>
      (alias === undefined || entry.address === alias) &&
      entry.targets.some((target) => same(target, recipient)),
  );
  await session.edit(VIRTUAL_FILE, (lines) =>
    changeLines(
      new Map(changed.map((entry) => [entry.line, without(lines[entry.line - 1]!, entry, recipient)])),
    )(lines),
  );
}

/** The line with its name and white space as they are, and the other targets. */
function without(line: string, entry: VirtualLine, recipient: string): string | undefined {
  const left = entry.targets.filter((target) => !same(target, recipient));
  if (left.length === 0) return undefined;
  const name = /^\s*\S+\s+/.exec(line)?.[0] ?? `${entry.address} `;
  return name + left.join(",");
}

function same(left: string, right: string): boolean {
  return left.toLowerCase() === right.toLowerCase();
}

function named(command: SetupCommand, [alias = "", recipient = ""]: readonly string[]) {
  if (alias === "") throw usageError(command, "No alias specified");
  if (recipient === "") throw usageError(command, "No recipient specified");
  if (/[\s,#|]/.test(alias) || /[\s,|]/.test(recipient))
    throw usageError(command, "An alias and a recipient have no spaces, commas, # or |");
  return { alias: alias.includes("@") ? aliasAddress(alias) : alias.toLowerCase(), recipient };
}
