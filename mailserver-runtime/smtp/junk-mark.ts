/** How spam that is delivered looks in its mailbox: where it lies, whether it is read, what its subject begins with. */
import { fieldBytes, findField, type Headers } from "../message/headers.ts";
import type { Settings } from "../settings/schema.ts";
import type { DeliveryRecipient } from "../store/mail-store.ts";

/** docker-mailserver's MOVE_SPAM_TO_JUNK and MARK_SPAM_AS_READ. */
export function junkOf({
  moveToJunk,
  markAsRead,
}: Pick<Settings["filter"], "moveToJunk" | "markAsRead">): Pick<DeliveryRecipient, "mailbox" | "flags"> {
  const mailbox = moveToJunk ? "Junk" : "INBOX";
  return markAsRead ? { mailbox, flags: ["\\Seen"] } : { mailbox };
}

/** A Subject field that begins with `mark`, in place of the message's own; undefined where none is wanted. */
export function markedSubject(headers: Headers, mark: string): Buffer | undefined {
  if (mark === "") return undefined;
  const field = findField(headers, "subject");
  const own = field === undefined ? Buffer.from("\r\n") : fieldBytes(headers, field);
  const value = own.subarray(field === undefined ? 0 : field.valueStart - field.start);
  return Buffer.concat([Buffer.from(`Subject: ${encoded(mark)}`), withoutLeadingBlanks(value)]);
}

/** An encoded-word (RFC 2047 §2) where it is not ASCII; it never breaks its line. */
function encoded(mark: string): string {
  const text = mark.replace(/[\r\n]+/g, " ");
  if (/^[\x20-\x7e]*$/.test(text)) return text;
  // A blank between an encoded-word and text is shown, one between two encoded-words is not (RFC 2047 §6.2).
  return `=?UTF-8?B?${Buffer.from(text).toString("base64")}?= `;
}
function withoutLeadingBlanks(value: Buffer): Buffer {
  let at = 0;
  while (value[at] === 0x20 || value[at] === 0x09) at += 1;
  return value.subarray(at);
}
