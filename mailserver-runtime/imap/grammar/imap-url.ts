/**
 * IMAP URLs of messages and their parts (RFC 5092 §6, §11), as CATENATE names what it takes over:
 *
 *     /Drafts;UIDVALIDITY=7/;UID=20/;SECTION=1.2/;PARTIAL=0.1024
 *     imap://anna@mail.example.org/Drafts/;UID=20
 *
 * A URL names what the user may read anyway; URLAUTH, which lends that right to others, is not part of it.
 */
import { Cursor, GrammarError } from "./cursor.ts";
import { type Partial, parseSection, type Section } from "./fetch-items.ts";

export interface MessageUrl {
  /** Of another server or user: it cannot be ours to read. */
  readonly host: string | undefined;
  readonly user: string | undefined;
  /** In Unicode, as the user calls it. */
  readonly mailbox: string;
  readonly uidValidity: number | undefined;
  readonly uid: number;
  readonly section: Section;
  readonly partial: Partial | undefined;
}

const ABSOLUTE = /^imap:\/\/(?:([^/@;]*)(?:;AUTH=[^@/]*)?@)?([^/]+)(\/.*)$/i;
const PATH =
  /^\/(.+?)(?:;uidvalidity=(\d{1,10}))?\/;uid=(\d{1,10})(?:\/;section=([^;]*?))?(?:\/;partial=(\d{1,10})(?:\.(\d{1,10}))?)?\/?$/i;
const WHOLE: Section = { path: [], text: "all", names: [] };

/** Undefined where the URL is none, or names no message. */
export function parseMessageUrl(text: string): MessageUrl | undefined {
  const absolute = ABSOLUTE.exec(text);
  const path = PATH.exec(absolute ? absolute[3]! : text);
  if (!path) return undefined;
  const [, mailbox, uidValidity, uid, section, start, length] = path;
  try {
    return {
      host: absolute?.[2],
      user: absolute?.[1] === undefined ? undefined : decodeURIComponent(absolute[1]),
      mailbox: decodeURIComponent(mailbox!),
      uidValidity: uidValidity === undefined ? undefined : Number(uidValidity),
      uid: Number(uid),
      section: section === undefined ? WHOLE : sectionOf(decodeURIComponent(section)),
      partial:
        start === undefined
          ? undefined
          : { start: Number(start), length: length === undefined ? Number.MAX_SAFE_INTEGER : Number(length) },
    };
  } catch (error) {
    if (error instanceof GrammarError || error instanceof URIError) return undefined;
    throw error;
  }
}

function sectionOf(text: string): Section {
  const cursor = new Cursor(Buffer.from(`${text}]`, "latin1"));
  const section = parseSection(cursor);
  cursor.end();
  return section;
}
