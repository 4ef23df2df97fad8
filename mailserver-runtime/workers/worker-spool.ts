/** Where a worker's messages lie while they arrive: a folder of its own below the first process's, gone with it. */
import { readdir, rm } from "node:fs/promises";
import type { Directories } from "../settings/directories.ts";
import type { ProcessNumber } from "./calls.ts";

const NAME = "process-";

export function workerSpool({ state }: Pick<Directories, "state">, process: ProcessNumber): string {
  return `${state}/incoming/${NAME}${process}`;
}

/** What the worker was receiving was never acknowledged. */
export async function removeSpool(
  directories: Pick<Directories, "state">,
  process: ProcessNumber,
): Promise<void> {
  await rm(workerSpool(directories, process), { recursive: true, force: true });
}

/** The same for all workers of a server that is dead. */
export async function removeSpools({ state }: Pick<Directories, "state">): Promise<void> {
  const folder = `${state}/incoming`;
  for (const name of await readdir(folder).catch(() => []))
    if (name.startsWith(NAME)) await rm(`${folder}/${name}`, { recursive: true, force: true });
}
