/**
 * The header fields that readers of mail ask for: what lists of messages show, sort and thread by. Traces and
 * signatures, which are most of a header, are not among them; so a store can keep these at hand.
 */
import { selectFields } from "./sections.ts";

const NAMES: readonly string[] = [
  ...["date", "subject", "from", "sender", "reply-to", "to", "cc", "bcc"],
  ...["message-id", "in-reply-to", "references", "newsgroups", "followup-to"],
  ...["mime-version", "content-type", "content-transfer-encoding", "content-language"],
  ...["list-id", "list-post", "list-unsubscribe", "mail-followup-to", "mail-reply-to"],
  ...["priority", "x-priority", "importance", "x-draft-info", "disposition-notification-to"],
  ...["return-receipt-to", "delivered-to", "x-mailer", "user-agent", "auto-submitted", "x-spam-flag"],
];
const USUAL: ReadonlySet<string> = new Set(NAMES);
const BYTES = NAMES.map((name) => Buffer.from(name, "latin1"));

/** Whether a field of that (lower-case) name is among them. */
export function isUsualField(name: string): boolean {
  return USUAL.has(name);
}

/** The usual fields of a header block, in the order they stand, ended by an empty line. */
export function usualFields(header: Buffer): Buffer {
  return Buffer.concat(selectFields(header, BYTES, false));
}
