import { StoreError } from "../../store/mail-store.ts";
import { GrammarError } from "../grammar/cursor.ts";
import type { Session } from "../session.ts";
import { command, loggedIn, no, ok } from "./command.ts";

/** Uses a mailbox can be made for (RFC 6154 §2); \All and \Flagged would be views, which we have not. */
const USES = ["\\Archive", "\\Drafts", "\\Junk", "\\Sent", "\\Trash"];

/** CREATE (RFC 9051 §6.3.4), with USE (RFC 6154 §3), MAILBOXID in the answer (RFC 8474 §4.1). */
export const create = command({
  name: "CREATE",
  states: loggedIn,
  parse(cursor, session) {
    cursor.space();
    const name = session.mailboxName(cursor);
    let uses: string[] = [];
    if (cursor.take(" ")) {
      cursor.expect("(");
      if (cursor.keyword() !== "USE") throw new GrammarError("the only parameter is USE");
      cursor.space();
      uses = cursor.list(() => cursor.flag());
      cursor.expect(")");
    }
    cursor.end();
    return { name, uses };
  },
  async run(session, { name, uses }) {
    // A separator at the end only says that children will follow (RFC 9051 §6.3.4).
    const wanted = session.withoutTrailingSeparator(name);
    if (wanted === "") return no("A mailbox needs a name.", "CANNOT");
    const use = USES.find((known) => known.toLowerCase() === uses[0]?.toLowerCase());
    if (uses.length > 1 || (uses.length === 1 && !use)) {
      return no(`A mailbox is made for one of ${USES.join(" ")}.`, "USEATTR");
    }
    await session.mail.create(wanted, use);
    return ok("Created.", await mailboxId(session, wanted));
  },
});

/** MAILBOXID of what was made, unless whoever may make a mailbox here may not read it. */
async function mailboxId(session: Session, name: string): Promise<string | undefined> {
  try {
    return `MAILBOXID (${(await session.mail.status(name)).mailboxId})`;
  } catch (error) {
    if (error instanceof StoreError) return undefined;
    throw error;
  }
}
