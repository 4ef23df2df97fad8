/**
 * The `subscriptions` file of an account, as Dovecot keeps it: version 2 starts with "V\t2" and an empty line
 * and has the levels of a name between tabs; the older form has one name a line with "." between the levels.
 * Levels are in modified UTF-7. We keep names as on disk without the leading dot ("Work.Plans").
 */
import { readFileSync } from "node:fs";
import { errorCode, storeError, writeFileDurably } from "./durable.ts";

const FILE = "subscriptions";
const HEADER = "V\t2\n\n";

export function readSubscriptions(account: string): string[] {
  let text: string;
  try {
    text = readFileSync(`${account}/${FILE}`, "utf8");
  } catch (error) {
    if (errorCode(error) === "ENOENT") return [];
    throw storeError(error, `Reading ${account}/${FILE}`);
  }
  const isSecond = text.startsWith(HEADER);
  const lines = (isSecond ? text.slice(HEADER.length) : text).split("\n").filter((line) => line !== "");
  return [...new Set(lines.map((line) => (isSecond ? line.split("\t").map(unescapeLevel).join(".") : line)))];
}

export function writeSubscriptions(account: string, names: readonly string[]): Promise<void> {
  const lines = names.map((name) => `${name.split(".").map(escapeLevel).join("\t")}\n`);
  return writeFileDurably(`${account}/${FILE}`, HEADER + lines.join(""));
}

// Dovecot's tab escaping: \001 stands before what would be taken for structure.
const ESCAPES: readonly (readonly [raw: string, escaped: string])[] = [
  ["\u0001", "\u00011"],
  ["\t", "\u0001t"],
  ["\r", "\u0001r"],
  ["\n", "\u0001n"],
];
function escapeLevel(level: string): string {
  return ESCAPES.reduce((text, [raw, escaped]) => text.replaceAll(raw, escaped), level);
}
function unescapeLevel(level: string): string {
  return level.replace(/\u0001(.)/g, (pair) => ESCAPES.find(([, escaped]) => escaped === pair)?.[0] ?? pair);
}
