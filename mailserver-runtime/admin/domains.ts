/** Declared domains: mail for them is taken even before they have a mailbox. */
import { mailDomain } from "../config/address.ts";
import { readStackObject, removeStackObject, writeStackObject } from "../config/stack/files.ts";
import type { Performers } from "./context.ts";

export const domainOperations: Performers<"domain.put" | "domain.read" | "domain.remove"> = {
  "domain.put": {
    effect: "changes",
    async perform({ domain: text, owner }, { directories }) {
      const domain = mailDomain(text);
      const before = await readStackObject(directories.config, "domains", domain);
      await writeStackObject(directories.config, "domains", { domain, owner });
      return { domain, created: before === undefined };
    },
  },
  "domain.read": {
    effect: "reads",
    async perform({ domain }, { directories }) {
      const object = await readStackObject(directories.config, "domains", mailDomain(domain));
      return { exists: object !== undefined, owner: object?.owner };
    },
  },
  "domain.remove": {
    effect: "changes",
    async perform({ domain: text, owner }, { directories }) {
      const domain = mailDomain(text);
      const object = await readStackObject(directories.config, "domains", domain);
      if (object?.owner !== owner) return { removed: false };
      return { removed: await removeStackObject(directories.config, "domains", domain) };
    },
  },
};
