/** What makes the salts of names without an account, made at the first start; all processes have the same. */
import { randomBytes } from "node:crypto";
import { open, readFile } from "node:fs/promises";

const BYTES = 32;

export async function loadScramSecret(file: string): Promise<Buffer> {
  try {
    const handle = await open(file, "wx", 0o600);
    try {
      await handle.writeFile(randomBytes(BYTES));
      await handle.sync();
    } finally {
      await handle.close();
    }
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "EEXIST") throw error;
  }
  const secret = await readFile(file);
  if (secret.length < BYTES)
    throw new RangeError(`${file} is cut short; delete it, and a new one is made at the next start`);
  return secret;
}
