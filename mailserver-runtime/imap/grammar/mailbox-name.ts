/**
 * Mailbox names between the wire and the store (RFC 3501 §5.1.3 modified UTF-7, RFC 6855 and 9051 UTF-8).
 *
 * Inside the server a name is a string in Unicode with the account's separator between levels. INBOX is the
 * same in any case, and only at the top.
 */
import { GrammarError } from "./cursor.ts";

/** The argument is a string, and no mailbox can have that name: NO, for the command itself is well formed. */
export class MailboxNameError extends GrammarError {}

/** Bytes of a name at most; longer ones do not fit on disk. */
export const MAX_NAME = 1000;

const utf8 = new TextDecoder("utf-8", { fatal: true });

/** Reads a name or a pattern as it came; `unicode` when the client enabled UTF8=ACCEPT or IMAP4rev2. */
export function decodeMailboxName(bytes: Buffer, unicode: boolean, separator = "/"): string {
  if (bytes.length > MAX_NAME) throw new GrammarError("the mailbox name is too long");
  const name = unicode || bytes.some((byte) => byte > 0x7e) ? decodeUtf8(bytes) : decodeModifiedUtf7(bytes);
  if (/[\x00-\x1f\x7f]/.test(name)) throw new GrammarError("a mailbox name has no control characters");
  return canonicalInbox(name.normalize("NFC"), separator);
}

function canonicalInbox(name: string, separator: string): string {
  const first = name.slice(0, 5);
  if (first.toUpperCase() !== "INBOX" || (name.length > 5 && name[5] !== separator)) return name;
  return `INBOX${name.slice(5)}`;
}

function decodeUtf8(bytes: Buffer): string {
  try {
    return utf8.decode(bytes);
  } catch {
    throw new MailboxNameError("the mailbox name is not UTF-8");
  }
}

/** RFC 3501 §5.1.3: "&" opens base64 of UTF-16, "&-" is "&". */
export function decodeModifiedUtf7(bytes: Buffer): string {
  const text = bytes.toString("latin1");
  if (!text.includes("&")) return text;
  return text.replace(/&([^-]*)(-?)/g, (_all, encoded: string, close: string) => {
    if (close === "" || !/^[A-Za-z0-9+,]*$/.test(encoded)) {
      throw new MailboxNameError("the mailbox name is not modified UTF-7 (RFC 3501 section 5.1.3)");
    }
    if (encoded === "") return "&";
    const units = Buffer.from(encoded.replaceAll(",", "/"), "base64");
    if (units.length < 2 || units.length % 2 !== 0) {
      throw new MailboxNameError("the mailbox name is not modified UTF-7 (RFC 3501 section 5.1.3)");
    }
    const decoded = units.swap16().toString("utf16le");
    if (!decoded.isWellFormed()) throw new MailboxNameError("the mailbox name has half a surrogate pair");
    return decoded;
  });
}

/** Writes a name in modified UTF-7. */
export function encodeModifiedUtf7(name: string): string {
  return name.replace(/&|[^\x20-\x7e]+/g, (run) => {
    if (run === "&") return "&-";
    const units = Buffer.from(run, "utf16le").swap16();
    return `&${units.toString("base64").replaceAll("/", ",").replace(/=+$/, "")}-`;
  });
}

/** A name as the client reads it: modified UTF-7 or UTF-8 bytes. */
export function encodeMailboxName(name: string, unicode: boolean): Buffer {
  return unicode ? Buffer.from(name, "utf8") : Buffer.from(encodeModifiedUtf7(name), "latin1");
}
