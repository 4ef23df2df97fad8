import type { MailboxStatus } from "../../store/mail-store.ts";
import type { Cursor } from "../grammar/cursor.ts";
import { GrammarError } from "../grammar/cursor.ts";
import type { Session } from "../session.ts";
import { command, loggedIn, ok } from "./command.ts";

/** What STATUS can tell, and where it is found (RFC 9051 §6.3.11, RFC 7162, 7889, 8438, 8474, 9208). */
const ITEMS: Record<string, (status: MailboxStatus, session: Session) => string> = {
  MESSAGES: ({ messages }) => `${messages}`,
  RECENT: ({ recent }) => `${recent}`,
  UIDNEXT: ({ uidNext }) => `${uidNext}`,
  UIDVALIDITY: ({ uidValidity }) => `${uidValidity}`,
  UNSEEN: ({ unseen }) => `${unseen}`,
  DELETED: ({ deleted }) => `${deleted}`,
  "DELETED-STORAGE": ({ deletedSize }) => `${deletedSize}`,
  SIZE: ({ size }) => `${size}`,
  HIGHESTMODSEQ: ({ highestModSeq }) => `${Math.max(1, highestModSeq)}`,
  MAILBOXID: ({ mailboxId }) => `(${mailboxId})`,
  APPENDLIMIT: (_status, { limits }) => `${limits.message}`,
};

/** `(MESSAGES UNSEEN)`. */
export function parseStatusItems(cursor: Cursor): string[] {
  const items = cursor.list(() => cursor.keyword());
  const unknown = items.find((item) => !Object.hasOwn(ITEMS, item));
  if (unknown !== undefined) throw new GrammarError(`STATUS has no ${unknown.slice(0, 40)}`);
  if (items.length === 0) throw new GrammarError("STATUS needs an item");
  return [...new Set(items)];
}

/** Writes the STATUS response. */
export async function writeStatus(session: Session, name: string, items: readonly string[]): Promise<void> {
  const status = await session.mail.status(name);
  if (items.includes("HIGHESTMODSEQ")) session.enableCondstore();
  writeStatusOf(session, name, items, status);
}

/** The same of what has been counted already; in one step. */
export function writeStatusOf(
  session: Session,
  name: string,
  items: readonly string[],
  status: MailboxStatus,
): void {
  session.out.text("* STATUS ");
  session.writeMailboxName(name);
  session.out.text(` (${items.map((item) => `${item} ${ITEMS[item]!(status, session)}`).join(" ")})\r\n`);
}

/** STATUS (RFC 9051 §6.3.11). */
export const status = command({
  name: "STATUS",
  states: loggedIn,
  parse(cursor, session) {
    cursor.space();
    const name = session.mailboxName(cursor);
    cursor.space();
    const items = parseStatusItems(cursor);
    cursor.end();
    return { name, items };
  },
  async run(session, { name, items }) {
    await writeStatus(session, name, items);
    return ok("Counted.");
  },
});
