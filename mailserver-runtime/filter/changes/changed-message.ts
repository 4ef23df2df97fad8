/** Makes an engine's changes of header and body: another content, in which what was not touched is not copied. */
import type { MessageContent } from "../../message/content.ts";
import { fieldBytes, type Headers, parseHeaders } from "../../message/headers.ts";
import { type Piece, piecedContent } from "../../message/pieced-content.ts";
import { isEnvelopeChange, type MessageChange } from "./message-change.ts";

export interface ChangedMessage {
  readonly content: MessageContent;
  readonly headers: Headers;
}

/** The same object where nothing of header and body is changed; owns `content` and new bodies otherwise. */
export function changedMessage(message: ChangedMessage, changes: readonly MessageChange[]): ChangedMessage {
  const { content, headers } = message;
  const fields = headers.fields.map((field) => ({ name: field.name, bytes: fieldBytes(headers, field) }));
  let body: Exclude<Piece, Buffer> = { of: content, start: headers.bodyStart, end: content.size };
  let isChanged = false;
  for (const change of changes) {
    if (isEnvelopeChange(change)) continue;
    isChanged = true;
    if (change.kind === "replace-body") {
      body = { of: change.body, start: 0, end: change.body.size };
      continue;
    }
    const name = change.name.toLowerCase();
    const bytes = change.value === undefined ? undefined : fieldOf(change.name, change.value);
    if (change.kind === "add-header" || change.kind === "insert-header") {
      const at = change.kind === "add-header" ? fields.length : Math.min(change.at, fields.length);
      if (bytes !== undefined) fields.splice(at, 0, { name, bytes });
      continue;
    }
    const place = placeOf(fields, name, change.occurrence);
    if (bytes === undefined) {
      if (place !== undefined) fields.splice(place, 1);
    } else fields.splice(place ?? fields.length, place === undefined ? 0 : 1, { name, bytes });
  }
  if (!isChanged) return message;
  // What ends a malformed section is no empty line, and stays where it is; a missing line end does not join two fields.
  const end = headers.malformed ? headers.end : Math.max(headers.end, headers.bodyStart);
  const separator = headers.malformed ? Buffer.alloc(0) : Buffer.from("\r\n");
  const section = Buffer.concat([...fields.map(({ bytes }) => ended(bytes)), separator]);
  const rest = body.of !== content ? body : { ...body, start: end };
  // Nobody has looked at the line ends of a body that an engine wrote.
  const changed = piecedContent([section, rest], rest.of === content ? content.lineEnds : undefined);
  return { content: changed, headers: parseHeaders(changed.buffer ?? section) };
}

function placeOf(
  fields: readonly { readonly name: string }[],
  name: string,
  occurrence: number,
): number | undefined {
  let seen = 0;
  for (const [index, field] of fields.entries()) {
    if (field.name !== name) continue;
    seen += 1;
    if (seen === Math.max(1, occurrence)) return index;
  }
  return undefined;
}

/** One field whatever its value holds: it cannot end the section or begin another field. undefined where the name is none. */
function fieldOf(name: string, value: string): Buffer | undefined {
  if (!/^[!-9;-~]{1,200}$/.test(name)) return undefined;
  const lines = value
    .replace(/\0/g, "")
    .split(/\r\n|\r|\n/)
    .filter((line, index) => index === 0 || /[^ \t]/.test(line))
    .map((line, index) => (index === 0 || /^[ \t]/.test(line) ? line : `\t${line}`));
  return Buffer.from(`${name}:${lines.join("\r\n")}\r\n`, "latin1");
}

function ended(field: Buffer): Buffer {
  return field[field.length - 1] === 10 ? field : Buffer.concat([field, Buffer.from("\r\n")]);
}
