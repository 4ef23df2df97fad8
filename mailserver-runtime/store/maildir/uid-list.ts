/**
 * `dovecot-uidlist`, version 3: which UID belongs to which base name.
 *
 *     3 V<uidvalidity> N<next uid> G<mailbox guid>
 *     <uid> [W<size with CRLF>] [S<size>] :<file name when it was written>
 *
 * Records ascend by UID. New ones are appended; a record whose file is gone means nothing and is dropped when
 * the list is written anew. The next UID is the larger of N and the last record's plus one, so an expunged
 * UID is never given again. Version 1 (no letters, no colon) is read and becomes version 3.
 */
import { randomBytes } from "node:crypto";
import { closeSync, openSync, readFileSync } from "node:fs";
import { errorCode, storeError, syncDescriptor, writeAll, writeFileDurably } from "./durable.ts";
import { baseName } from "./file-name.ts";

export const UID_LIST = "dovecot-uidlist";
export const MAX_UID = 0xffff_fffe;

export interface UidList {
  readonly uidValidity: number;
  readonly nextUid: number;
  /** 32 hexadecimal digits, or undefined when the list had none. */
  readonly guid: string | undefined;
  readonly uids: number[];
  /** Base names in latin1, pairwise with `uids`. */
  readonly names: string[];
  /** False when it must be written anew before something is appended (old version, torn last line). */
  readonly appendable: boolean;
}

/** A list read from disk; undefined when there is none; "damaged" when nothing in it can be believed. */
export function readUidList(directory: string): UidList | undefined | "damaged" {
  let bytes: Buffer;
  try {
    bytes = readFileSync(`${directory}/${UID_LIST}`);
  } catch (error) {
    if (errorCode(error) === "ENOENT") return undefined;
    throw storeError(error, `Reading ${directory}/${UID_LIST}`);
  }
  return parseUidList(bytes);
}

export function parseUidList(bytes: Buffer): UidList | "damaged" {
  const text = bytes.toString("latin1");
  const headerEnd = text.indexOf("\n");
  if (headerEnd < 0) return "damaged";
  const header = text.slice(0, headerEnd).split(" ");
  const version = header[0];
  const numbers = version === "3" ? header : ["1", `V${header[1]}`, `N${header[2]}`];
  if (version !== "3" && version !== "1") return "damaged";
  const part = (letter: string): string | undefined =>
    numbers.find((word) => word.startsWith(letter))?.slice(1);
  const uidValidity = Number(part("V"));
  const declaredNext = Number(part("N"));
  if (!Number.isInteger(uidValidity) || uidValidity < 1 || uidValidity > 0xffff_ffff) return "damaged";
  if (!Number.isInteger(declaredNext) || declaredNext < 1) return "damaged";
  const guid = part("G");
  const uids: number[] = [];
  const names: string[] = [];
  let last = 0;
  let torn = false;
  for (let at = headerEnd + 1; at < text.length; ) {
    let end = text.indexOf("\n", at);
    if (end < 0) {
      torn = true;
      break;
    }
    let uid = 0;
    let i = at;
    for (; i < end; i++) {
      const digit = text.charCodeAt(i) - 48;
      if (digit < 0 || digit > 9) break;
      uid = uid * 10 + digit;
    }
    let nameAt = i + 1;
    if (version === "3") {
      const colon = text.charCodeAt(i + 1) === 58 ? i + 1 : text.indexOf(" :", i) + 1;
      nameAt = colon > 0 && colon < end ? colon + 1 : end;
    }
    // Records out of order or unreadable are left out: their files get a new UID above all that were given.
    if (uid > last && uid <= MAX_UID && nameAt < end) {
      const colon = text.indexOf(":", nameAt);
      if (colon >= 0 && colon < end) end = colon;
      uids.push(uid);
      names.push(text.slice(nameAt, end));
      last = uid;
      if (text.charCodeAt(end) !== 10) end = text.indexOf("\n", end);
    } else torn = true;
    at = end + 1;
  }
  return {
    uidValidity,
    nextUid: Math.max(declaredNext, last + 1),
    guid: guid !== undefined && /^[0-9a-f]{32}$/.test(guid) ? guid : undefined,
    uids,
    names,
    appendable: version === "3" && !torn,
  };
}

/** A mailbox GUID as Dovecot makes them: 128 bits in hexadecimal. */
export function newGuid(): string {
  return randomBytes(16).toString("hex");
}

/** Replaces the list. */
export async function writeUidList(
  directory: string,
  list: { uidValidity: number; nextUid: number; guid: string },
  records: Iterable<readonly [uid: number, file: string]>,
): Promise<void> {
  const lines = [`3 V${list.uidValidity} N${list.nextUid} G${list.guid}\n`];
  for (const [uid, file] of records) lines.push(`${uid} :${baseName(file)}\n`);
  await writeFileDurably(`${directory}/${UID_LIST}`, Buffer.from(lines.join(""), "latin1"));
}

/** Adds records at the end and makes them durable. UIDs ascend and lie above all in the list. */
export async function appendToUidList(
  directory: string,
  uids: readonly number[],
  files: readonly string[],
): Promise<void> {
  let lines = "";
  for (let i = 0; i < uids.length; i++) lines += `${uids[i]} :${files[i]}\n`;
  try {
    const fd = openSync(`${directory}/${UID_LIST}`, "a", 0o600);
    try {
      writeAll(fd, Buffer.from(lines, "latin1"));
      await syncDescriptor(fd);
    } finally {
      closeSync(fd);
    }
  } catch (error) {
    throw storeError(error, `Appending to ${directory}/${UID_LIST}`);
  }
}
