/** `setup dovecot-master`: users who may open every mailbox, dovecot-masters.cf. */
import { appendLine, changeLines } from "../../config/dms/edit.ts";
import { MASTERS_FILE, type MasterLine, parseMasters } from "../../config/dms/masters.ts";
import { CommandError } from "../command.ts";
import { newHash } from "./new-hash.ts";
import type { SetupSession } from "./session.ts";
import { type SetupCommand, usageError } from "./table.ts";

const add: SetupCommand = {
  name: "dovecot-master add",
  usage: "<USERNAME> [<PASSWORD>]",
  summary: "adds a master user",
  async run(session, [text, given]) {
    const name = masterName(this, text);
    if ((await find(session, name)) !== undefined) throw new CommandError(`'${name}' already exists`);
    const hash = await newHash(session, await session.password(given));
    await session.locked(async () => {
      if ((await find(session, name)) !== undefined) throw new CommandError(`'${name}' already exists`);
      await session.edit(MASTERS_FILE, appendLine(`${name}|${hash}`));
    });
  },
};

const update: SetupCommand = {
  name: "dovecot-master update",
  usage: "<USERNAME> [<PASSWORD>]",
  summary: "sets a master user's password",
  async run(session, [text, given]) {
    const name = masterName(this, text);
    await existing(session, name);
    const hash = await newHash(session, await session.password(given));
    await session.locked(async () => {
      const { line } = await existing(session, name);
      await session.edit(MASTERS_FILE, changeLines(new Map([[line, `${name}|${hash}`]])));
    });
  },
};

const del: SetupCommand = {
  name: "dovecot-master del",
  usage: "<USERNAME> [<USERNAME> ...]",
  summary: "deletes master users",
  async run(session, args) {
    if (args.length === 0) throw usageError(this, "No account specified");
    await session.locked(async () => {
      const lines = await Promise.all(args.map(async (name) => (await existing(session, name)).line));
      await session.edit(MASTERS_FILE, changeLines(new Map(lines.map((line) => [line, undefined]))));
    });
  },
};

const list: SetupCommand = {
  name: "dovecot-master list",
  usage: "",
  summary: "lists master users",
  async run(session) {
    for (const { name } of await session.read(MASTERS_FILE, parseMasters)) session.out(`* ${name}`);
  },
};

export const masterCommands: readonly SetupCommand[] = [add, update, del, list];

async function find(session: SetupSession, name: string): Promise<MasterLine | undefined> {
  return (await session.read(MASTERS_FILE, parseMasters)).find((one) => one.name === name);
}

async function existing(session: SetupSession, name: string): Promise<MasterLine> {
  const entry = await find(session, name);
  if (entry === undefined) throw new CommandError(`'${name}' does not exist`);
  return entry;
}

function masterName(command: SetupCommand, text: string | undefined): string {
  if (text === undefined || text === "") throw usageError(command, "No account specified");
  if (/[@*|#\s\p{Cc}]/u.test(text))
    throw usageError(command, `'${text}' cannot be a master user's name: no @, *, |, # or space in it`);
  return text;
}
