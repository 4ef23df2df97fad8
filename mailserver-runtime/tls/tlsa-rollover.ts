/**
 * When a certificate may change its key, where the DNS tells senders which key to expect (DANE, RFC 7672): not before the next
 * key's TLSA record is seen there, and not before what caches may still have without it has run out (RFC 7671 §8.1). Until
 * then a renewal keeps the key, which is true in every cache.
 *
 * `next-key-seen.json` in the certificate's folder remembers when the record was first seen.
 */
import { join } from "node:path";
import { z } from "zod";
import { readIfPresent, removeDurably, writeDurably } from "../config/durable-file.ts";
import type { TlsaRecord } from "../dns/records.ts";
import type { Resolver } from "../dns/resolver.ts";

const seenSchema = z.object({
  /** SHA-256 of the key's SubjectPublicKeyInfo, hex. */
  spki: z.string(),
  /** Milliseconds since the epoch. */
  seenAt: z.number(),
  /** Longest time to live of the records, in seconds; a cache's answer shows less than was published. */
  ttl: z.number(),
});

export interface NextKey {
  /** Names of the certificate. */
  readonly names: readonly string[];
  /** SHA-256 of the key's SubjectPublicKeyInfo, hex. */
  readonly spki: string;
  readonly folder: string;
}

export type KeySwitch =
  | { readonly may: true }
  /** Why not yet, in a clause. */
  | { readonly may: false; readonly reason: string };

/** Whether the next key may be taken into use; looks at the DNS, and remembers what it saw. */
export async function mayUseNextKey(resolver: Resolver, key: NextKey, now: number): Promise<KeySwitch> {
  const file = join(key.folder, "next-key-seen.json");
  const published: number[] = [];
  for (const name of key.names) {
    if (name.startsWith("*.")) continue;
    const { status, records, ttl, reason } = await resolver.resolve(`_25._tcp.${name}`, "TLSA");
    if (status === "tempfail")
      return { may: false, reason: `the TLSA records of ${name} cannot be asked for (${reason})` };
    if (!records.some(pinsKeys)) continue;
    if (!records.some((record) => pinsKeys(record) && record.certificate.toLowerCase() === key.spki)) {
      // Caches may have this answer now: the time begins anew.
      await removeDurably(file);
      return { may: false, reason: `the TLSA records of ${name} do not have the next key yet` };
    }
    published.push(ttl);
  }
  // Nobody is told which key to expect.
  if (published.length === 0) return { may: true };
  const before = await readSeen(file, key.spki);
  const seen = {
    spki: key.spki,
    seenAt: before?.seenAt ?? now,
    ttl: Math.max(before?.ttl ?? 0, ...published),
  };
  if (before?.ttl !== seen.ttl) await writeDurably(file, `${JSON.stringify(seen)}\n`, 0o600);
  const due = seen.seenAt + seen.ttl * 1000;
  if (now >= due) return { may: true };
  return {
    may: false,
    reason: `caches may have the TLSA records without the next key until ${new Date(due).toISOString()}`,
  };
}

/** 3 1 1 (and 1 1 1): the SHA-256 of a key. Records that name an authority do not care which key there is. */
function pinsKeys({ usage, selector, matchingType }: TlsaRecord): boolean {
  return (usage === 3 || usage === 1) && selector === 1 && matchingType === 1;
}

async function readSeen(file: string, spki: string): Promise<z.output<typeof seenSchema> | undefined> {
  try {
    const seen = seenSchema.parse(JSON.parse((await readIfPresent(file)) ?? "null"));
    return seen.spki === spki ? seen : undefined;
  } catch {
    return undefined;
  }
}
