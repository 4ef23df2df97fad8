/**
 * `run/declared.json`: which process a stack started here, of which code, and which resource it belongs to. It may vanish
 * with the run directory at a reboot, as the process does that it speaks of.
 */
import { randomBytes } from "node:crypto";
import { readFile, rename, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { z } from "zod";

const declarationSchema = z.object({
  pid: z.int().positive(),
  startTime: z.string(),
  version: z.string(),
  owner: z.string(),
});
export type Declaration = z.infer<typeof declarationSchema>;

const fileIn = (runDirectory: string) => join(runDirectory, "declared.json");

/** Undefined where no such file is, or it is no declaration: it only tells what can be found out in other ways. */
export async function readDeclaration(runDirectory: string): Promise<Declaration | undefined> {
  const text = await readFile(fileIn(runDirectory), "utf8").catch(() => undefined);
  if (text === undefined) return undefined;
  try {
    return declarationSchema.parse(JSON.parse(text));
  } catch {
    return undefined;
  }
}

export async function writeDeclaration(runDirectory: string, declaration: Declaration): Promise<void> {
  const file = fileIn(runDirectory);
  const temporary = `${file}.${randomBytes(6).toString("hex")}`;
  await writeFile(temporary, `${JSON.stringify(declaration)}\n`, { mode: 0o600 });
  await rename(temporary, file);
}
