import { EVENTS, parseNotifyRequest } from "../grammar/notify-request.ts";
import { Notifier } from "../notifier.ts";
import { command, loggedIn, no, ok } from "./command.ts";

/** NOTIFY (RFC 5465 §3): each SET replaces the one before; NONE tells nothing between commands. */
export const notify = command({
  name: "NOTIFY",
  states: loggedIn,
  parse: (cursor, session) => parseNotifyRequest(cursor, () => session.mailboxName(cursor)),
  async run(session, request) {
    if (request.unknown.length > 0) {
      return no("Such events are not told here.", `BADEVENT (${Object.values(EVENTS).join(" ")})`);
    }
    session.notifier?.stop();
    session.notifier = new Notifier(session, request);
    await session.notifier.begin();
    return ok("You will be told.");
  },
});
