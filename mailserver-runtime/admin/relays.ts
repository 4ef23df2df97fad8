/** Declared relays. Their passwords are written for the queue to use and told to nobody. */
import { mailAddress, mailDomain } from "../config/address.ts";
import { readStackObject, removeStackObject, writeStackObject } from "../config/stack/files.ts";
import type { Performers } from "./context.ts";

export const relayOperations: Performers<"relay.put" | "relay.read" | "relay.remove"> = {
  "relay.put": {
    effect: "changes",
    async perform({ name, owner, relay, match }, { directories: { config } }) {
      const before = await readStackObject(config, "relays", name);
      await writeStackObject(config, "relays", {
        name,
        owner,
        ...(relay && { relay: { ...relay, host: relay.host.toLowerCase() } }),
        match: {
          recipientDomains: match.recipientDomains.map(mailDomain),
          senders: match.senders.map(mailAddress),
          senderDomains: match.senderDomains.map(mailDomain),
        },
      });
      return { created: before === undefined };
    },
  },
  "relay.read": {
    effect: "reads",
    async perform({ name, password }, { directories: { config } }) {
      const object = await readStackObject(config, "relays", name);
      if (object === undefined) return { exists: false };
      const { owner, match } = object;
      const { password: kept, ...relay } = object.relay ?? { password: undefined };
      return {
        exists: true,
        owner,
        match,
        ...("host" in relay && { relay }),
        ...(password !== undefined && { passwordMatches: password === kept }),
      };
    },
  },
  "relay.remove": {
    effect: "changes",
    async perform({ name, owner }, { directories: { config } }) {
      const object = await readStackObject(config, "relays", name);
      if (object?.owner !== owner) return { removed: false };
      return { removed: await removeStackObject(config, "relays", name) };
    },
  },
};
