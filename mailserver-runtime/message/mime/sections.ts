/** Finding a part by its IMAP number, and choosing header fields (RFC 9051 §6.4.5.1). */
import { FieldCursor } from "./fields.ts";
import { isMessage, type MimePart } from "./structure.ts";

/**
 * The part of that number, counted as IMAP does: a multipart's children from 1; a message that is not
 * multipart has one part, 1, its body; numbers go on inside message/rfc822.
 */
export function partAt(root: MimePart, path: readonly number[]): MimePart | undefined {
  let message: MimePart | undefined = root;
  let part = root;
  for (const number of path) {
    // Only a message or a multipart has parts to count.
    if (!message) return undefined;
    if (message.type === "multipart") {
      const child: MimePart | undefined = message.children[number - 1];
      if (!child) return undefined;
      part = child;
      message = isMessage(child) ? child.children[0] : child.type === "multipart" ? child : undefined;
    } else {
      if (number !== 1) return undefined;
      part = message;
      message = isMessage(message) ? message.children[0] : undefined;
    }
  }
  return part;
}

/** The message whose HEADER and TEXT a section means: the root, or what a message/rfc822 part contains. */
export function messageAt(root: MimePart, path: readonly number[]): MimePart | undefined {
  if (path.length === 0) return root;
  const part = partAt(root, path);
  return part && isMessage(part) ? part.children[0] : undefined;
}

const EMPTY_LINE = Buffer.from("\r\n", "latin1");

/** More names of one length than these are looked up, not compared. */
const FEW = 4;

/** Whether a field has one of the (lower-case) names; a header may have a hundred thousand fields, and a client name many. */
function nameTest(names: readonly Buffer[]): (field: FieldCursor) => boolean {
  const byLength: (Buffer[] | undefined)[] = [];
  for (const name of names) {
    const { length } = name;
    byLength[length] = [...(byLength[length] ?? []), name];
  }
  const known = new Set(names.map((name) => name.toString("latin1")));
  return (field) => {
    const candidates = byLength[field.nameEnd - field.start];
    if (candidates === undefined) return false;
    return candidates.length > FEW ? known.has(field.name()) : candidates.some((name) => field.is(name));
  };
}

/** The fields of those (lower-case) names, or all others, in the order they stand; ended by an empty line. */
export function selectFields(header: Buffer, names: readonly Buffer[], others: boolean): Buffer[] {
  const pieces: Buffer[] = [];
  const cursor = new FieldCursor(header);
  const isNamed = nameTest(names);
  let from = -1;
  while (cursor.next()) {
    if (isNamed(cursor) !== others) {
      if (from < 0) from = cursor.start;
      continue;
    }
    if (from >= 0) pieces.push(header.subarray(from, cursor.start));
    from = -1;
  }
  if (from >= 0) pieces.push(header.subarray(from, cursor.end));
  pieces.push(EMPTY_LINE);
  return pieces;
}
