/**
 * The DKIM keys of a domain (RFC 6376), which the host rotates. The stack publishes what the host has: the key that signs, the
 * one that follows, and those whose mail may be under way. Where a rotation has gone on since, the next diff is that of the
 * records, and says which phase comes then.
 */
import { z } from "zod";
import { domain, selector } from "../fields.ts";
import { resourceType } from "../resource-type.ts";

const algorithm = z.enum(["rsa-2048", "rsa-4096", "ed25519"]);
const key = z.object({
  selector: z.string(),
  role: z.enum(["current", "next", "retired", "revoked"]),
  algorithm,
  publicKey: z.string(),
});

export const dkimKeys = resourceType({
  token: "mailkeep:index:DkimKeys",
  description: "The DKIM keys of a domain, made on the host, which rotates them.",
  inputs: z.object({
    domain: domain.meta({ description: "The domain they sign for." }),
    algorithms: z
      .array(algorithm)
      .min(1)
      .refine((list) => new Set(list.map((one) => one.split("-")[0])).size === list.length, {
        error: "has one RSA and one Ed25519 key at most",
      })
      .default(["rsa-2048"])
      .meta({ description: "Kinds of keys, a signature by each: one RSA and one Ed25519 at most." }),
    first: z.object({ current: selector, next: selector }).default({ current: "mk1", next: "mk2" }).meta({
      description: "Selectors of the first keys; a third one, the next number, takes turns with them.",
    }),
  }),
  facts: z.object({
    keys: z
      .array(key)
      .meta({ description: "What the DNS is to publish: selector, role, algorithm, publicKey." }),
  }),
  identity: ["domain"],
  secrets: [],
  moving: true,
  check({ first }) {
    if (first.current !== first.next) return [];
    return [{ property: "first.next", reason: "is the current selector too; the next key needs its own" }];
  },
  id: (inputs) => inputs.domain,
  async put({ host, owner, limit }, inputs) {
    const { keys } = await host.perform("dkim.ring.put", { ...inputs, owner }, limit);
    return { keys: published(keys) };
  },
  async read({ host, limit }, id, declared) {
    const { exists, algorithms, keys, owner } = await host.perform("dkim.ring.read", { domain: id }, limit);
    if (!exists) return undefined;
    const first = declared?.first ?? { current: "mk1", next: "mk2" };
    return { inputs: { domain: id, algorithms, first }, facts: { keys: published(keys) }, owner };
  },
  async remove({ host, owner, limit }, { domain }) {
    await host.perform("dkim.ring.remove", { domain, owner }, limit);
  },
  async drift({ host, limit }, { domain }, facts) {
    const { exists, keys, outlook } = await host.perform("dkim.ring.read", { domain }, limit);
    if (!exists || JSON.stringify(published(keys)) === JSON.stringify(published(facts.keys)))
      return { drift: [] };
    const selectors = keys.map(({ selector, role }) => `${selector} (${role})`).join(", ");
    return {
      drift: [{ property: "keys", reason: `${domain} rotates its DKIM keys: ${selectors}; ${outlook}` }],
    };
  },
});

/** In one order, whatever the host's. */
function published(
  keys: readonly { selector: string; role: string; algorithm: string; publicKey: string }[],
) {
  const sorted = [...keys].sort((a, b) => (a.selector < b.selector ? -1 : 1));
  return z.array(key).parse(sorted);
}
