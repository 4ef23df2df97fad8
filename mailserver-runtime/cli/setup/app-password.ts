/** `setup app-password`: further passwords of an account, one for each device or program, app-passwords.cf. */
import { newAppPassword } from "../../auth/app-passwords.ts";
import { hashPassword } from "../../auth/password/password.ts";
import {
  APP_PASSWORDS_FILE,
  type AppPassword,
  formatAppPassword,
  parseAppPasswords,
  parseServices,
  type Service,
} from "../../config/dms/app-passwords.ts";
import { appendLine, changeLines } from "../../config/dms/edit.ts";
import { CommandError } from "../command.ts";
import { accountAddress, refuseMissing } from "./email.ts";
import type { SetupSession } from "./session.ts";
import { type SetupCommand, usageError } from "./table.ts";

const add: SetupCommand = {
  name: "app-password add",
  usage: "<EMAIL ADDRESS> <WHAT IT IS FOR> [<imap,smtp,pop3,sieve or *>]",
  summary: "makes a password for one device or program and prints it, once",
  async run(session, [text, label, services = "*"]) {
    const address = accountAddress(this, session, text);
    if (label === undefined || label === "") throw usageError(this, "Say what it is for: 'phone', 'printer'");
    await refuseMissing(session, address);
    const allowed = servicesOf(this, services);
    const { id, password } = newAppPassword();
    const hash = await hashPassword(password);
    const line = formatAppPassword({ account: address, id, services: allowed, hash, label });
    await session.locked(() => session.edit(APP_PASSWORDS_FILE, appendLine(line)));
    session.out(password);
  },
};

const del: SetupCommand = {
  name: "app-password del",
  usage: "<EMAIL ADDRESS> <ID>",
  summary: "takes an app password back",
  async run(session, [text, id]) {
    const address = accountAddress(this, session, text);
    if (id === undefined || id === "")
      throw usageError(this, "Which one? Its id begins the password; see 'list'");
    await session.locked(async () => {
      const found = (await of(session, address)).find((entry) => entry.id === id);
      if (found === undefined) throw new CommandError(`'${address}' has no app password '${id}'`);
      await session.edit(APP_PASSWORDS_FILE, changeLines(new Map([[found.line, undefined]])));
    });
  },
};

const list: SetupCommand = {
  name: "app-password list",
  usage: "<EMAIL ADDRESS>",
  summary: "lists an account's app passwords: id, services, what each is for",
  async run(session, [text]) {
    const address = accountAddress(this, session, text);
    for (const { id, services, label } of await of(session, address))
      session.out(`* ${id} (${services.join(",")}) ${label}`);
  },
};

export const appPasswordCommands: readonly SetupCommand[] = [add, del, list];

async function of(session: SetupSession, address: string): Promise<readonly AppPassword[]> {
  const all = await session.read(APP_PASSWORDS_FILE, parseAppPasswords);
  return all.filter(({ account }) => account === address);
}

function servicesOf(command: SetupCommand, text: string): readonly Service[] {
  try {
    return parseServices(text);
  } catch (error) {
    throw usageError(command, (error as Error).message);
  }
}
