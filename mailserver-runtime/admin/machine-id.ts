/** A random name for a data directory, made once: it tells one mail host from another, whatever its address. */
import { randomUUID } from "node:crypto";
import { join } from "node:path";
import { readIfPresent, writeDurably } from "../config/durable-file.ts";
import { withLock } from "../config/lock.ts";

/** The id in state/machine-id; made when it is missing. */
export async function machineId(state: string): Promise<string> {
  const file = join(state, "machine-id");
  const present = await read(file);
  if (present !== undefined) return present;
  // Two who ask first at once must get one answer.
  return withLock(join(state, "machine-id.lock"), async () => {
    const made = (await read(file)) ?? randomUUID();
    await writeDurably(file, `${made}\n`, 0o644);
    return made;
  });
}

async function read(file: string): Promise<string | undefined> {
  const text = (await readIfPresent(file))?.trim();
  return text === "" ? undefined : text;
}
