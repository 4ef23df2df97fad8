/**
 * Mailbox names: UTF-8 towards clients, modified UTF-7 (RFC 3501 §5.1.3) in one Maildir++ folder name on
 * disk, `.Parent.Child`; INBOX is the account's own directory.
 *
 * The separator on disk is always ".", so a level may not contain one, whatever the separator towards clients.
 */
import { StoreError } from "../mail-store.ts";

/** The longest name on disk that every file system takes as one directory name. */
const MAX_DISK_NAME = 250;
const MAX_LEVELS = 20;

/** The folder's directory name on disk ("" for INBOX). Throws StoreError "cannot" for names that cannot be. */
export function diskName(name: string, separator: string): string {
  const levels = name.split(separator);
  if (levels[0]!.toUpperCase() === "INBOX") {
    levels[0] = "INBOX";
    if (levels.length === 1) return "";
  }
  if (levels.length > MAX_LEVELS) throw cannot(name, `has more than ${MAX_LEVELS} levels`);
  for (const level of levels) {
    if (level === "") throw cannot(name, `has an empty level; levels stand between "${separator}"`);
    if (level.includes(".")) throw cannot(name, `has a level with "."`);
    if (level.includes("/")) throw cannot(name, `has a level with "/"`);
    if (/[\u0000-\u001f\u007f]/.test(level)) throw cannot(name, "has a control character");
    if (!level.isWellFormed()) throw cannot(name, "is not well-formed Unicode");
  }
  const disk = `.${levels.map(encodeModifiedUtf7).join(".")}`;
  if (disk.length > MAX_DISK_NAME) throw cannot(name, `is longer than ${MAX_DISK_NAME} bytes on disk`);
  return disk;
}
function cannot(name: string, why: string): StoreError {
  return new StoreError("cannot", `The mailbox name ${JSON.stringify(name.slice(0, 100))} ${why}.`);
}

/** The client's name of a folder on disk, or undefined where the name is none of ours to show. */
export function clientName(disk: string, separator: string): string | undefined {
  if (disk === "") return "INBOX";
  if (!disk.startsWith(".") || disk.startsWith("..") || disk === ".") return undefined;
  const levels: string[] = [];
  for (const level of disk.slice(1).split(".")) {
    if (level === "") return undefined;
    const decoded = decodeModifiedUtf7(level);
    if (decoded === undefined || decoded.includes(separator)) return undefined;
    levels.push(decoded);
  }
  return levels.join(separator);
}

/** Modified UTF-7 (RFC 3501 §5.1.3): printable US-ASCII as it is, "&" as "&-", all else in base64 of UTF-16BE. */
export function encodeModifiedUtf7(text: string): string {
  return text.replace(/&|[^\x20-\x7e]+/g, (run) => {
    if (run === "&") return "&-";
    const units = Buffer.from(run, "utf16le").swap16();
    return `&${units.toString("base64").replace(/=+$/, "").replaceAll("/", ",")}-`;
  });
}

/** The text of a modified UTF-7 name, or undefined when it is not one in its one right form. */
export function decodeModifiedUtf7(name: string): string | undefined {
  const text = name.replace(/&([^-]*)-/g, (_, run: string) => {
    if (run === "") return "&";
    const units = Buffer.from(run.replaceAll(",", "/"), "base64");
    return units.length % 2 === 0 ? units.swap16().toString("utf16le") : "\ufffd";
  });
  return text.isWellFormed() && encodeModifiedUtf7(text) === name ? text : undefined;
}
