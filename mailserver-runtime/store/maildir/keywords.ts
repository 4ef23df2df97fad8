/**
 * `dovecot-keywords`: which keyword the letters a-z in a mailbox's file names mean, one `<number> <name>` a
 * line, number 0 for "a". A letter without a name is unknown to us and is left on the files that carry it.
 */
import { readFileSync } from "node:fs";
import { MAX_KEYWORDS } from "../mail-store.ts";
import { errorCode, storeError, writeFileDurably } from "./durable.ts";

export const KEYWORDS_FILE = "dovecot-keywords";

/** Names by letter number; "" where a letter has none. */
export function readKeywords(directory: string): string[] {
  let text: string;
  try {
    text = readFileSync(`${directory}/${KEYWORDS_FILE}`, "utf8");
  } catch (error) {
    if (errorCode(error) === "ENOENT") return [];
    throw storeError(error, `Reading ${directory}/${KEYWORDS_FILE}`);
  }
  const names: string[] = [];
  for (const line of text.split("\n")) {
    const match = /^(\d{1,2}) (\S+)$/.exec(line);
    if (match === null || Number(match[1]) >= MAX_KEYWORDS) continue;
    while (names.length <= Number(match[1])) names.push("");
    names[Number(match[1])] = match[2]!;
  }
  return names;
}

export function writeKeywords(directory: string, names: readonly string[]): Promise<void> {
  const lines = names.flatMap((name, i) => (name === "" ? [] : [`${i} ${name}\n`]));
  return writeFileDurably(`${directory}/${KEYWORDS_FILE}`, lines.join(""));
}

/** Keywords compare without case (RFC 9051 §2.3.2). */
export function keywordNumber(names: readonly string[], keyword: string): number {
  const wanted = keyword.toLowerCase();
  return names.findIndex((name) => name.toLowerCase() === wanted);
}
