/** Declared aliases. A target is an address, here or elsewhere, in the order in which it was declared. */
import { aliasAddress, targetAddress } from "../config/address.ts";
import { readStackObject, removeStackObject, writeStackObject } from "../config/stack/files.ts";
import { type AdminContext, OperationError, type Performers } from "./context.ts";
import { declaredAccount, releaseAliasLine } from "./setup-owned.ts";

export const aliasOperations: Performers<"alias.put" | "alias.read" | "alias.remove"> = {
  "alias.put": {
    effect: "changes",
    async perform({ address: text, targets, owner }, context) {
      const { config } = context.directories;
      const address = aliasAddress(text);
      await refuseMailbox(address, context);
      const before = await readStackObject(config, "aliases", address);
      await writeStackObject(config, "aliases", { address, targets: targets.map(targetAddress), owner });
      const adopted = await releaseAliasLine(config, address, owner);
      return { created: before === undefined && !adopted };
    },
  },
  "alias.read": {
    effect: "reads",
    async perform({ address }, { directories }) {
      const object = await readStackObject(directories.config, "aliases", aliasAddress(address));
      return { exists: object !== undefined, targets: object?.targets ?? [], owner: object?.owner };
    },
  },
  "alias.remove": {
    effect: "changes",
    async perform({ address: text, owner }, { directories }) {
      const address = aliasAddress(text);
      const object = await readStackObject(directories.config, "aliases", address);
      if (object?.owner !== owner) return { removed: false };
      return { removed: await removeStackObject(directories.config, "aliases", address) };
    },
  },
};

async function refuseMailbox(address: string, { directories }: AdminContext): Promise<void> {
  const account = await declaredAccount(directories.config, address);
  if (account === undefined) return;
  throw new OperationError(
    "conflict",
    `${address} is a mailbox (${account.owner}); an address is a mailbox or an alias, not both. Remove the mailbox first, or let the alias have another name`,
  );
}
