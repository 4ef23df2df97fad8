/** What the setup commands share: the files, the lock, what the stack owns, and talking to a person. */
import { join } from "node:path";
import { connectAdmin } from "../../admin/client.ts";
import {
  answerLine,
  type OperationAnswer,
  type OperationName,
  type OperationRequest,
} from "../../admin/contract.ts";
import { asOnlyWriter } from "../../admin/writers-lock.ts";
import { editFile, type LineEdit } from "../../config/dms/edit.ts";
import type { Parsed } from "../../config/dms/lines.ts";
import { readIfPresent } from "../../config/durable-file.ts";
import { readStackObject } from "../../config/stack/files.ts";
import type { Directories } from "../../settings/directories.ts";
import { type CommandContext, CommandError } from "../command.ts";
import { ask, askSecret } from "./prompt.ts";

export interface SetupSession {
  readonly directories: Directories;
  readonly env: Readonly<Record<string, string | undefined>>;
  out(text: string): void;
  info(text: string): void;
  warn(text: string): void;
  /** Says what went wrong without ending the command. */
  error(text: string): void;
  /** Runs changes of files while nobody else changes them. */
  locked<T>(work: () => Promise<T>): Promise<T>;
  read<Entry>(file: string, parse: (text: string) => Parsed<Entry>): Promise<readonly Entry[]>;
  edit(file: string, edit: LineEdit): Promise<boolean>;
  /**
   * Performs an operation: in the server where one runs, else here. Not while holding the lock.
   *
   * @throws {CommandError}
   */
  perform<N extends OperationName>(name: N, request: OperationRequest<N>): Promise<OperationAnswer<N>>;
  ask(question: string): Promise<string | undefined>;
  /** The argument, or what a person types twice; never empty. */
  password(given: string | undefined): Promise<string>;
  /** Whether the command changed a file; the server is then told. */
  readonly changed: boolean;
}

export function openSession(context: CommandContext): SetupSession {
  const { directories } = context;
  const session = {
    directories,
    env: context.env,
    changed: false,
    out: context.out,
    info: (text: string) => context.out(`[   INF   ]  ${text}`),
    warn: (text: string) => context.err(`[ WARNING ]  ${text}`),
    error: (text: string) => context.err(`[  ERROR  ]  ${text}`),
    locked: <T>(work: () => Promise<T>) =>
      asOnlyWriter(directories, work).finally(() => {
        session.changed = true;
      }),
    async read<Entry>(file: string, parse: (text: string) => Parsed<Entry>) {
      return parse((await readIfPresent(join(directories.config, file))) ?? "").entries;
    },
    edit: (file: string, edit: LineEdit) => editFile(directories.config, file, edit),
    perform: <N extends OperationName>(name: N, request: OperationRequest<N>) =>
      performAnywhere(context, name, request),
    ask: (question: string) => ask(context.stdin, question),
    async password(given: string | undefined) {
      if (given !== undefined && given !== "") return given;
      const first = await askSecret(context.stdin, "Enter Password: ");
      if (first === undefined || first === "") throw new CommandError("Password must not be empty");
      const second = await askSecret(context.stdin, "Confirm Password: ");
      if (first !== second) throw new CommandError("The two passwords are not the same");
      return first;
    },
  };
  return session;
}

async function performAnywhere<N extends OperationName>(
  { directories, version }: CommandContext,
  name: N,
  request: OperationRequest<N>,
): Promise<OperationAnswer<N>> {
  const client = await connectAdmin(directories.run);
  if (client === undefined) {
    const { perform } = await import("../../admin/operations.ts");
    return perform(name, request, { directories, version });
  }
  try {
    const line = await client.ask(JSON.stringify({ operation: name, request }));
    const answer = answerLine.parse(JSON.parse(line));
    if (!answer.ok) throw new CommandError(answer.message);
    return answer.answer as OperationAnswer<N>;
  } finally {
    client.close();
  }
}

/**
 * Puts a change into force now, where a server runs; without one there is nothing to tell. A file that is
 * broken elsewhere keeps the change from taking effect, so what is wrong is said.
 */
export async function tellServer(session: SetupSession): Promise<void> {
  const client = await connectAdmin(session.directories.run);
  if (client === undefined) return;
  client.close();
  await session.perform("reload", {});
  const { problems } = await session.perform("status", {});
  for (const { file, line, reason } of problems.slice(0, 5)) session.warn(`${file}:${line}: ${reason}`);
}

/** @throws {CommandError} when the stack declares this address: its owner is named, and where to change it. */
export async function refuseStackOwned(
  { directories }: SetupSession,
  kind: "mailboxes" | "aliases",
  address: string,
): Promise<void> {
  const object = await readStackObject(directories.config, kind, address);
  if (object === undefined || ("enabled" in object && !object.enabled)) return;
  throw new CommandError(
    `'${address}' is declared by the stack (${object.owner}); change it in the stack's configuration and run \`mailkeep up\``,
  );
}
