/** Whether the world is told what a stack declares: asked of the name servers themselves. */
import { z } from "zod";
import { domainName } from "./words.ts";

const recordSets = z.record(z.string().regex(/^\S+ [A-Z]+$/), z.array(z.string().regex(/^\d+ .+$/)));

export const dnsCheckOperations = {
  /**
   * Asks every authoritative name server of each zone for the declared record sets, the resolver for the names of the host's
   * addresses and for the zones' signatures, and counts what each SPF policy costs. One look; who waits asks again.
   */
  "dns.check": {
    request: z.strictObject({
      recordSets,
      /** Addresses whose PTR has to name `hostname`, both ways. */
      addresses: z.array(z.string()).default([]),
      hostname: domainName.optional(),
      /** Name servers as address or address:port, in the place of those the zones name. */
      nameServers: z.array(z.string()).default([]),
    }),
    answer: z.strictObject({
      /** Whether every declared record is seen everywhere and every address has its name. */
      ok: z.boolean(),
      sets: z.array(
        z.strictObject({
          /** "example.org MX". */
          set: z.string(),
          state: z.enum(["seen", "missing", "different", "unreachable"]),
          /** Data of the declared records. */
          wanted: z.array(z.string()),
          /** What each server answers, where it is not what is wanted. */
          found: z.array(
            z.strictObject({ server: z.string(), data: z.array(z.string()), failure: z.string().optional() }),
          ),
        }),
      ),
      reverse: z.array(
        z.strictObject({
          address: z.string(),
          /** `outside`: an address of a private net or of documents, which nobody looks up. */
          state: z.enum(["right", "missing", "different", "unreachable", "outside"]),
          names: z.array(z.string()),
          /** What to ask the owner of the address for, where it is not right. */
          ask: z.string().optional(),
        }),
      ),
      zones: z.array(
        z.strictObject({
          zone: z.string(),
          /** `signed`: the resolver vouches for it. `no-chain`: keys stand in the zone, and its parent does not name them. */
          dnssec: z.enum(["signed", "no-chain", "unsigned", "unknown"]),
          nameServers: z.array(z.string()),
          /** With `no-chain`: the DS records to enter at the registrar. */
          ds: z.array(z.string()),
        }),
      ),
      spf: z.array(
        z.strictObject({
          domain: z.string(),
          /** DNS look-ups that evaluating the published policy costs; more than ten make it an error (RFC 7208 §4.6.4). */
          lookups: z.int(),
          /** Includes that could not be looked up. */
          problems: z.array(z.string()),
        }),
      ),
      lines: z.array(z.string()),
    }),
  },
} as const;
