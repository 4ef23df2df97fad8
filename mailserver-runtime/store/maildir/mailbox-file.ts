/**
 * `mailkeep-mailbox`: what only we know of a mailbox, in a small plain file beside its mail.
 *
 *     mailkeep 1
 *     modseq <ceiling, sixteen digits>
 *
 * No MODSEQ above the ceiling was ever shown, so that after a loss of the index every message gets one above
 * it and clients see changes too many, never too few. It is raised in blocks, durably, before it is passed;
 * a clean close lowers it to the highest MODSEQ given, which is how the index is known to be current. Its length is
 * always the same, so that on a full disk, where mail must still be expunged, it is written in place.
 */
import { closeSync, openSync, readFileSync, writeSync } from "node:fs";
import { StoreError } from "../mail-store.ts";
import { errorCode, storeError, syncDescriptor, writeFileDurably } from "./durable.ts";

const FILE = "mailkeep-mailbox";
/** MODSEQs reserved at once. */
export const MODSEQ_BLOCK = 10_000;

export function readModSeqCeiling(directory: string): number {
  let text: string;
  try {
    text = readFileSync(`${directory}/${FILE}`, "utf8");
  } catch (error) {
    if (errorCode(error) === "ENOENT") return 0;
    throw storeError(error, `Reading ${directory}/${FILE}`);
  }
  const ceiling = Number(/^modseq (\d+)$/m.exec(text)?.[1] ?? 0);
  return Number.isSafeInteger(ceiling) ? ceiling : 0;
}

export async function writeModSeqCeiling(directory: string, ceiling: number): Promise<void> {
  const path = `${directory}/${FILE}`;
  const text = `mailkeep 1\nmodseq ${String(ceiling).padStart(16, "0")}\n`;
  try {
    await writeFileDurably(path, text);
  } catch (error) {
    if (!(error instanceof StoreError) || error.code !== "no-space") throw error;
    await overwrite(path, text);
  }
}

/** Within the file's one block, which a disk writes whole or not at all. Throws the StoreError of `writeFileDurably`. */
async function overwrite(path: string, text: string): Promise<void> {
  try {
    const fd = openSync(path, "r+");
    try {
      if (readFileSync(fd).length !== text.length) throw new Error("the file has another length");
      writeSync(fd, text, 0);
      await syncDescriptor(fd);
    } finally {
      closeSync(fd);
    }
  } catch (error) {
    throw storeError(error, `Writing ${path} in place`);
  }
}
