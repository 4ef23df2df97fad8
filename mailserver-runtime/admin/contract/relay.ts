/** Hosts that take outgoing mail. */
import { z } from "zod";
import { address, domainName, owner } from "./words.ts";

const relayName = z.string().regex(/^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$/);
const relayHost = {
  host: z.string().min(1).max(255),
  port: z.int().min(1).max(65_535),
  tls: z.enum(["implicit", "starttls", "opportunistic"]),
  lookupMx: z.boolean(),
  username: z.string().min(1).max(512).optional(),
  /** A file on the host: the authorities that its certificate is checked against, instead of the usual ones. */
  caFile: z.string().startsWith("/").max(4096).optional(),
};
/** Whose mail a relay takes; all of it where every list is empty. */
const relayMatch = z.strictObject({
  recipientDomains: z.array(domainName),
  senders: z.array(address),
  senderDomains: z.array(domainName),
});

export const relayOperations = {
  /** Declares a host that takes outgoing mail; without `relay` what matches is sent directly. */
  "relay.put": {
    request: z.strictObject({
      name: relayName,
      owner,
      relay: z.strictObject({ ...relayHost, password: z.string().min(1).max(1024).optional() }).optional(),
      match: relayMatch,
    }),
    answer: z.strictObject({ created: z.boolean() }),
  },
  "relay.read": {
    request: z.strictObject({ name: relayName, password: z.string().optional() }),
    answer: z.strictObject({
      exists: z.boolean(),
      owner: owner.optional(),
      relay: z.strictObject(relayHost).optional(),
      match: relayMatch.optional(),
      /** Whether the password given in the request is the relay's. */
      passwordMatches: z.boolean().optional(),
    }),
  },
  "relay.remove": {
    request: z.strictObject({ name: relayName, owner }),
    answer: z.strictObject({ removed: z.boolean() }),
  },
} as const;
