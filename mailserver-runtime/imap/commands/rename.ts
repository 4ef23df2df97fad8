import { command, loggedIn, no, ok } from "./command.ts";

/** RENAME (RFC 9051 §6.3.6); of INBOX it moves the messages and leaves INBOX empty. */
export const rename = command({
  name: "RENAME",
  states: loggedIn,
  parse(cursor, session) {
    cursor.space();
    const from = session.mailboxName(cursor);
    cursor.space();
    const to = session.mailboxName(cursor);
    cursor.end();
    return { from, to };
  },
  async run(session, { from, to }) {
    const target = session.withoutTrailingSeparator(to);
    if (target === "") return no("A mailbox needs a name.", "CANNOT");
    if (target.startsWith(from + session.separator) && from !== "INBOX") {
      return no("A mailbox cannot move below itself.", "CANNOT");
    }
    await session.mail.rename(from, target);
    return ok("Renamed.");
  },
});
