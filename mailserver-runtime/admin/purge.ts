/** The only operation that deletes mail, and only of an address that nobody declares any more. */
import { randomBytes } from "node:crypto";
import { readdir, rename, rm, stat } from "node:fs/promises";
import { join } from "node:path";
import { addressParts } from "../config/address.ts";
import { syncDirectory, UNFINISHED } from "../config/durable-file.ts";
import { removeStackObject } from "../config/stack/files.ts";
import { type AdminContext, OperationError } from "./context.ts";
import type { OperationAnswer } from "./contract.ts";
import { declaredAccount } from "./setup-owned.ts";

/**
 * Deletes `mail/<domain>/<localpart>/` and the tombstone. The folder is renamed first, so that a purge that
 * is killed never leaves half a Maildir under the mailbox's name.
 *
 * @throws {OperationError} "conflict" while the mailbox is declared
 */
export async function purgeMailbox(
  text: string,
  { directories, live }: AdminContext,
): Promise<OperationAnswer<"mailbox.purge">> {
  const { local, domain } = addressParts(text);
  const address = `${local}@${domain}`;
  const account = await declaredAccount(directories.config, address);
  if (account !== undefined)
    throw new OperationError(
      "conflict",
      `${address} is declared (${account.owner}); its mail is not deleted before the mailbox is removed`,
    );
  await removeStackObject(directories.config, "mailboxes", address).catch(absent);
  const parent = join(directories.mail, domain);
  const going = join(parent, `${UNFINISHED}purge-${randomBytes(6).toString("hex")}`);
  try {
    await rename(join(parent, local), going);
  } catch (error) {
    absent(error);
    return { purged: false, messages: 0, bytes: 0 };
  }
  await syncDirectory(parent);
  await live?.forgetMail?.(address);
  const count = await measured(going);
  await rm(going, { recursive: true, force: true });
  return { purged: true, ...count };
}

/** Messages are the files in the `cur` and `new` folders of a Maildir. */
async function measured(folder: string): Promise<{ messages: number; bytes: number }> {
  let messages = 0;
  let bytes = 0;
  for (const entry of await readdir(folder, { withFileTypes: true, recursive: true })) {
    if (!entry.isFile() || !/[/\\](?:cur|new)$/.test(entry.parentPath)) continue;
    messages++;
    bytes += (await stat(join(entry.parentPath, entry.name))).size;
  }
  return { messages, bytes };
}

function absent(error: unknown): void {
  if ((error as NodeJS.ErrnoException).code !== "ENOENT") throw error;
}
