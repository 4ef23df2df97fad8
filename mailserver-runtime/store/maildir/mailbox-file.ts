/**
 * `mailkeep-mailbox`: what only we know of a mailbox, in a small plain file beside its mail.
 *
 *     mailkeep 1
 *     modseq <ceiling>
 *
 * No MODSEQ above the ceiling was ever shown, so that after a loss of the index every message gets one above
 * it and clients see changes too many, never too few. It is raised in blocks, durably, before it is passed;
 * a clean close lowers it to the highest MODSEQ given, which is how the index is known to be current.
 */
import { readFileSync } from "node:fs";
import { errorCode, storeError, writeFileDurably } from "./durable.ts";

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

export function writeModSeqCeiling(directory: string, ceiling: number): Promise<void> {
  return writeFileDurably(`${directory}/${FILE}`, `mailkeep 1\nmodseq ${ceiling}\n`);
}
