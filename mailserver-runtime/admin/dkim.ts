/** Single DKIM keys, each declared by hand; a remove stops the signing and leaves the key. A domain's whole ring is `dkim-ring.ts`'s. */
import { mailDomain } from "../config/address.ts";
import { readStackObject, removeStackObject, writeStackObject } from "../config/stack/files.ts";
import { dkimName } from "../config/stack/objects.ts";
import { ensureDkimKey, readDkimKey } from "../dkim-rotation/key-file.ts";
import type { Performers } from "./context.ts";

export const dkimOperations: Performers<"dkim.put" | "dkim.read" | "dkim.remove"> = {
  "dkim.put": {
    effect: "changes",
    async perform({ domain: text, selector, algorithm, active, owner }, { directories }) {
      const domain = mailDomain(text);
      const { publicKey, created } = await ensureDkimKey(directories.state, domain, selector, algorithm);
      await writeStackObject(directories.config, "dkim", { domain, selector, algorithm, active, owner });
      return { publicKey, created };
    },
  },
  "dkim.read": {
    effect: "reads",
    async perform({ domain: text, selector }, { directories }) {
      const domain = mailDomain(text);
      const object = await readStackObject(directories.config, "dkim", dkimName(domain, selector));
      const key = object && (await readDkimKey(directories.state, domain, selector));
      if (object === undefined || key === undefined) return { exists: false };
      return { exists: true, ...key, active: object.active, owner: object.owner };
    },
  },
  "dkim.remove": {
    effect: "changes",
    async perform({ domain: text, selector, owner }, { directories }) {
      const name = dkimName(mailDomain(text), selector);
      const object = await readStackObject(directories.config, "dkim", name);
      if (object?.owner !== owner) return { removed: false };
      return { removed: await removeStackObject(directories.config, "dkim", name) };
    },
  },
};
