import type { Session } from "../session.ts";
import { command, loggedIn, ok } from "./command.ts";

/** What can be enabled, and what that changes. */
const EXTENSIONS: Record<string, (session: Session) => void> = {
  CONDSTORE: (session) => session.enableCondstore(),
  QRESYNC: (session) => {
    session.enableCondstore();
    session.enabled.qresync = true;
  },
  IMAP4REV2: (session) => {
    session.enabled.rev2 = true;
  },
  UIDONLY: (session) => {
    session.enabled.uidOnly = true;
  },
  "UTF8=ACCEPT": (session) => {
    session.enabled.utf8 = true;
  },
};
/** How names are written in the answer where that is not upper case. */
const SPELLING: Record<string, string> = { IMAP4REV2: "IMAP4rev2" };

/** ENABLE (RFC 5161; RFC 9051 §6.3.1): names that are not known are passed over. */
export const enable = command({
  name: "ENABLE",
  states: loggedIn,
  parse(cursor) {
    const names: string[] = [];
    do {
      cursor.space();
      names.push(cursor.keyword());
    } while (!cursor.atEnd);
    return names;
  },
  run(session, names) {
    const known = [...new Set(names)].filter((name) => Object.hasOwn(EXTENSIONS, name));
    for (const name of known) EXTENSIONS[name]!(session);
    session.out.text(`* ENABLED${known.map((name) => ` ${SPELLING[name] ?? name}`).join("")}\r\n`);
    return ok("Enabled.");
  },
});
