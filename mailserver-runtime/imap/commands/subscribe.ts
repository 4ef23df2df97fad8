import type { Cursor } from "../grammar/cursor.ts";
import type { Session } from "../session.ts";
import { command, loggedIn, ok } from "./command.ts";

function parse(cursor: Cursor, session: Session): string {
  cursor.space();
  const name = session.mailboxName(cursor);
  cursor.end();
  return name;
}

/** SUBSCRIBE (RFC 9051 §6.3.7). */
export const subscribe = command({
  name: "SUBSCRIBE",
  states: loggedIn,
  parse,
  async run(session, name) {
    await session.mail.subscribe(name, true);
    return ok("Subscribed.");
  },
});

/** UNSUBSCRIBE (RFC 9051 §6.3.8). */
export const unsubscribe = command({
  name: "UNSUBSCRIBE",
  states: loggedIn,
  parse,
  async run(session, name) {
    await session.mail.subscribe(name, false);
    return ok("Unsubscribed.");
  },
});
