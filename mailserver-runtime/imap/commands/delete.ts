import { command, loggedIn, no, ok } from "./command.ts";

/** DELETE (RFC 9051 §6.3.5). */
export const deleteMailbox = command({
  name: "DELETE",
  states: loggedIn,
  parse(cursor, session) {
    cursor.space();
    const name = session.mailboxName(cursor);
    cursor.end();
    return name;
  },
  async run(session, name) {
    if (name === "INBOX") return no("INBOX cannot be deleted.", "CANNOT");
    // A client that deletes what it has selected is left without a selection, not with a ghost.
    if (session.selected?.mailbox.name === name) session.unselect();
    await session.mail.delete(name);
    return ok("Deleted.");
  },
});
