/** A domain's ring of keys as a file: `state/dkim/<domain>/rotation.json`, readable by whoever wants to know how far it is. */
import { readdir } from "node:fs/promises";
import { join } from "node:path";
import { z } from "zod";
import { readIfPresent, writeDurably } from "../config/durable-file.ts";
import { phases, type Ring } from "./rotation.ts";

const instant = z.iso.datetime().transform((text) => Date.parse(text));
const schema = z.object({
  lanes: z
    .array(
      z.object({
        algorithm: z.enum(["rsa-2048", "rsa-4096", "ed25519"]),
        current: z.string().min(1),
        next: z.string().min(1),
        spare: z.string().min(1),
      }),
    )
    .min(1),
  phase: z.enum(phases),
  since: instant,
  due: instant.optional(),
});

/** A rotation file that cannot be understood: nothing is done to the keys before a person has looked. */
export class BrokenRingFile extends Error {
  override name = "BrokenRingFile";
}

const fileOf = (state: string, domain: string) => join(state, "dkim", domain, "rotation.json");

/** @throws {BrokenRingFile} */
export async function readRing(state: string, domain: string): Promise<Ring | undefined> {
  const file = fileOf(state, domain);
  const text = await readIfPresent(file);
  if (text === undefined) return undefined;
  try {
    const { due, ...ring } = schema.parse(JSON.parse(text));
    return { ...ring, due };
  } catch (error) {
    const reason = error instanceof z.ZodError ? z.prettifyError(error) : String(error);
    throw new BrokenRingFile(
      `${file} cannot be understood (${reason}); put it right, or move it away: the keys in use stay then`,
    );
  }
}

export async function writeRing(state: string, domain: string, ring: Ring): Promise<void> {
  const { since, due, ...rest } = ring;
  const iso = (at: number) => new Date(at).toISOString();
  const text = { ...rest, since: iso(since), ...(due !== undefined && { due: iso(due) }) };
  await writeDurably(fileOf(state, domain), `${JSON.stringify(text, undefined, 2)}\n`, 0o600);
}

/** The domains that have one. */
export async function domainsWithRings(state: string): Promise<string[]> {
  const entries = await readdir(join(state, "dkim"), { withFileTypes: true }).catch(() => []);
  const domains = entries.filter((entry) => entry.isDirectory()).map(({ name }) => name);
  const found = await Promise.all(
    domains.map(async (domain) => (await readIfPresent(fileOf(state, domain))) !== undefined),
  );
  return domains.filter((_, index) => found[index]).sort();
}
