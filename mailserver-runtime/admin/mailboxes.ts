/**
 * Declared mailboxes. A put takes over what is there, whoever declared it; a remove leaves a tombstone that
 * refuses logins and mail, and never touches the Maildir (D4). `mailbox.purge`, in purge.ts, deletes.
 */

import { join } from "node:path";
import { hashPassword, schemeProblem, UnsupportedScheme, verifyPassword } from "../auth/password/password.ts";
import { addressParts, mailAddress } from "../config/address.ts";
import { passwordScheme } from "../config/password-scheme.ts";
import { readStackObject, writeStackObject } from "../config/stack/files.ts";
import { type AdminContext, OperationError, type Performers } from "./context.ts";
import type { OperationRequest } from "./contract.ts";
import { purgeMailbox } from "./purge.ts";
import { releaseAccountLines, setupAccount } from "./setup-owned.ts";

export const mailboxOperations: Performers<
  "mailbox.put" | "mailbox.read" | "mailbox.remove" | "mailbox.purge"
> = {
  "mailbox.put": {
    effect: "changes",
    async perform(request, { directories: { config } }) {
      const address = mailAddress(request.address);
      await refuseAlias(config, address);
      const stack = await readStackObject(config, "mailboxes", address);
      const setup = stack?.enabled ? undefined : await setupAccount(config, address);
      const before = stack?.enabled ? stack : setup;
      await writeStackObject(config, "mailboxes", {
        address,
        owner: request.owner,
        enabled: true,
        passwordHash: await wantedHash(request, before?.passwordHash, config),
        quotaBytes: request.quotaBytes ?? 0,
        displayName: request.displayName,
      });
      await releaseAccountLines(config, address, request.owner);
      return {
        address,
        created: before === undefined,
        adoptedFrom: before === undefined || before.owner === request.owner ? undefined : before.owner,
      };
    },
  },
  "mailbox.read": {
    effect: "reads",
    async perform({ address: text, password }, { directories: { config } }) {
      const address = mailAddress(text);
      const stack = await readStackObject(config, "mailboxes", address);
      const setup = stack?.enabled ? undefined : await setupAccount(config, address);
      const found = setup ?? stack;
      const hash = found?.passwordHash;
      return {
        exists: found !== undefined,
        enabled: setup !== undefined || stack?.enabled === true,
        owner: found?.owner,
        quotaBytes: found?.quotaBytes ?? 0,
        displayName: setup === undefined ? stack?.displayName : undefined,
        passwordMatches:
          password === undefined ? undefined : hash !== undefined && (await matches(password, hash)),
      };
    },
  },
  "mailbox.remove": {
    effect: "changes",
    async perform({ address: text, owner }, { directories }) {
      const { local, domain } = addressParts(text);
      const address = `${local}@${domain}`;
      const mailDirectory = join(directories.mail, domain, local);
      const object = await readStackObject(directories.config, "mailboxes", address);
      if (object?.owner !== owner || !object.enabled) return { removed: false, mailDirectory };
      // A tombstone keeps no secret: declared again, the mailbox gets the password of that declaration.
      await writeStackObject(directories.config, "mailboxes", {
        ...object,
        enabled: false,
        passwordHash: undefined,
      });
      return { removed: true, mailDirectory };
    },
  },
  "mailbox.purge": {
    effect: "changes",
    perform: ({ address }, context: AdminContext) => purgeMailbox(address, context),
  },
};

async function wantedHash(
  request: OperationRequest<"mailbox.put">,
  present: string | undefined,
  config: string,
): Promise<string | undefined> {
  if (request.passwordHash !== undefined) {
    const problem = schemeProblem(request.passwordHash);
    if (problem !== undefined) throw new OperationError("invalid", `${request.address}: ${problem}`);
    return request.passwordHash;
  }
  if (request.password === undefined) return present;
  if (present !== undefined && request.password.policy === "initial") return present;
  if (present !== undefined && (await matches(request.password.text, present))) return present;
  try {
    return await hashPassword(request.password.text, await passwordScheme(config));
  } catch (error) {
    if (error instanceof RangeError)
      throw new OperationError("invalid", `${request.address}: ${error.message}`);
    throw error;
  }
}

/** A hash that cannot be checked here matches nothing. */
async function matches(password: string, hash: string): Promise<boolean> {
  try {
    return await verifyPassword(password, hash);
  } catch (error) {
    if (error instanceof UnsupportedScheme) return false;
    throw error;
  }
}

async function refuseAlias(config: string, address: string): Promise<void> {
  const alias = await readStackObject(config, "aliases", address);
  if (alias === undefined) return;
  throw new OperationError(
    "conflict",
    `${address} is an alias (${alias.owner}); an address is a mailbox or an alias, not both. Remove the alias first, or let the mailbox have another name`,
  );
}
