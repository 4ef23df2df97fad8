/** `setup email`: accounts in postfix-accounts.cf, and what hangs on them. */
import { declaredAccount, setupAccount } from "../../admin/setup-owned.ts";
import { mailAddress } from "../../config/address.ts";
import { ACCOUNTS_FILE, parseAccounts } from "../../config/dms/accounts.ts";
import { appendLine, changeLines } from "../../config/dms/edit.ts";
import { parseQuotas, QUOTAS_FILE } from "../../config/dms/quotas.ts";
import { parseVirtual, VIRTUAL_FILE } from "../../config/dms/virtual.ts";
import { readStackObject, removeStackObject, writeStackObject } from "../../config/stack/files.ts";
import { CommandError } from "../command.ts";
import { removeRecipients } from "./alias.ts";
import { listAccounts } from "./email-list.ts";
import { newHash } from "./new-hash.ts";
import { restrictAccess } from "./restrict.ts";
import { refuseStackOwned, type SetupSession } from "./session.ts";
import { type SetupCommand, usageError } from "./table.ts";

const add: SetupCommand = {
  name: "email add",
  usage: "<EMAIL ADDRESS> [<PASSWORD>]",
  summary: "adds an account",
  async run(session, [text, given]) {
    const address = accountAddress(this, session, text);
    const { config } = session.directories;
    // Before the password is asked for: nobody likes to type one in vain.
    await refuseTaken(session, address);
    const hash = await newHash(session, await session.password(given));
    await session.locked(async () => {
      await refuseTaken(session, address);
      await session.edit(ACCOUNTS_FILE, appendLine(`${address}|${hash}`));
      // The tombstone of a mailbox that the stack once had: somebody declares it again.
      const tombstone = await readStackObject(config, "mailboxes", address);
      if (tombstone !== undefined) await removeStackObject(config, "mailboxes", address);
    });
  },
};

const update: SetupCommand = {
  name: "email update",
  usage: "<EMAIL ADDRESS> [<PASSWORD>]",
  summary: "sets an account's password",
  async run(session, [text, given]) {
    const address = accountAddress(this, session, text);
    const { config } = session.directories;
    await refuseMissing(session, address);
    const hash = await newHash(session, await session.password(given));
    await session.locked(async () => {
      // A password is its user's, whoever declares the mailbox.
      const object = await readStackObject(config, "mailboxes", address);
      if (object?.enabled) {
        await writeStackObject(config, "mailboxes", { ...object, passwordHash: hash });
        return;
      }
      const entry = (await session.read(ACCOUNTS_FILE, parseAccounts)).find((one) => one.address === address);
      if (entry === undefined) throw new CommandError(`'${address}' does not exist`);
      await session.edit(ACCOUNTS_FILE, (lines) => {
        const rest = lines[entry.line - 1]!.split("|").slice(2);
        return changeLines(new Map([[entry.line, [address, hash, ...rest].join("|")]]))(lines);
      });
    });
  },
};

const del: SetupCommand = {
  name: "email del",
  usage: "[-y|-n] <EMAIL ADDRESS> [<EMAIL ADDRESS> ...]",
  summary: "deletes accounts, their aliases and quotas, and with -y their mail",
  async run(session, args) {
    let purge: boolean | undefined;
    const addresses: string[] = [];
    for (const arg of args) {
      if (/^-[yY]$/.test(arg)) purge = true;
      else if (/^-[nN]$/.test(arg)) purge = false;
      else if (arg.startsWith("-")) throw usageError(this, `The option '${arg}' is unknown`);
      else addresses.push(accountAddress(this, session, arg));
    }
    if (addresses.length === 0) throw usageError(this, "No user specified");
    for (const address of addresses) {
      await refuseStackOwned(session, "mailboxes", address);
      if ((await setupAccount(session.directories.config, address)) === undefined)
        throw new CommandError(`'${address}' does not exist`);
    }
    purge ??= await confirmed(session);
    for (const address of addresses) {
      await session.locked(() => remove(session, address));
      if (purge) await purgeMail(session, address);
      else session.out("Leaving the mailbox untouched.");
    }
  },
};

const restrict: SetupCommand = {
  name: "email restrict",
  usage: "<add|del|list> <send|receive> [<EMAIL ADDRESS>]",
  summary: "forbids addresses to send or to receive",
  run(session, args) {
    return restrictAccess(this, session, args);
  },
};

const list: SetupCommand = {
  name: "email list",
  usage: "",
  summary: "lists accounts with their use, quota and aliases",
  run: (session) => listAccounts(session),
};

export const emailCommands: readonly SetupCommand[] = [add, update, del, restrict, list];

/**
 * The canonical address of an argument; capitals are told, as in DMS.
 *
 * @throws {CommandError}
 */
export function accountAddress(
  command: SetupCommand,
  session: SetupSession,
  text: string | undefined,
): string {
  if (text === undefined || text === "") throw usageError(command, "No account specified");
  if (!text.includes("@"))
    throw usageError(command, `'${text}' should include the domain (eg: user@example.com)`);
  const address = mailAddress(text);
  if (/\p{Lu}/u.test(text))
    session.warn(`Mail account '${text}' has uppercase letters and will be normalized to '${address}'`);
  return address;
}

/** @throws {CommandError} */
export async function refuseMissing({ directories }: SetupSession, address: string): Promise<void> {
  if ((await declaredAccount(directories.config, address)) === undefined)
    throw new CommandError(`'${address}' does not exist`);
}

async function refuseTaken(session: SetupSession, address: string): Promise<void> {
  const account = await declaredAccount(session.directories.config, address);
  if (account !== undefined)
    throw new CommandError(
      account.owner.startsWith("setup:")
        ? `'${address}' already exists`
        : `'${address}' already exists: it is declared by the stack (${account.owner})`,
    );
  const alias = (await session.read(VIRTUAL_FILE, parseVirtual)).some((one) => one.address === address);
  const declared = await readStackObject(session.directories.config, "aliases", address);
  if (alias || declared !== undefined) throw new CommandError(`'${address}' is already defined as an alias`);
}

async function remove(session: SetupSession, address: string): Promise<void> {
  const linesOf = (entries: readonly { readonly address: string; readonly line: number }[]) =>
    changeLines(
      new Map(entries.filter((one) => one.address === address).map(({ line }) => [line, undefined] as const)),
    );
  await session.edit(ACCOUNTS_FILE, linesOf(await session.read(ACCOUNTS_FILE, parseAccounts)));
  await removeRecipients(session, address, undefined);
  await session.edit(QUOTAS_FILE, linesOf(await session.read(QUOTAS_FILE, parseQuotas)));
  session.info(`'${address}' and potential aliases deleted`);
}

/** Where a server runs, it is the one who holds the mailbox's state and must delete. */
async function purgeMail(session: SetupSession, address: string): Promise<void> {
  const { purged, messages } = await session.perform("mailbox.purge", { address });
  session.info(purged ? `Mailbox deleted (${messages} messages)` : `'${address}' had no mailbox directory`);
}

/** Without an answer (no terminal, end of input) mail stays: DMS would delete it. */
async function confirmed(session: SetupSession): Promise<boolean> {
  const answer = await session.ask("Do you want to delete the mailbox as well (removing all mails) ? [Y/n] ");
  return answer !== undefined && /^(?:|y|yes)$/i.test(answer.trim());
}
