import type { Cursor } from "../grammar/cursor.ts";
import {
  type MetadataOptions,
  parseEntries,
  parseEntry,
  parseMetadataOptions,
  parseValue,
} from "../grammar/metadata-entries.ts";
import { PLAIN, writeMetadata } from "../response/metadata.ts";
import type { Session } from "../session.ts";
import { type Completion, command, loggedIn, no, ok } from "./command.ts";

/** Bytes of one value, entries and bytes of one mailbox (RFC 5464 §6 asks for limits). */
const MAX_VALUE = 32 * 1024;
const MAX_ENTRIES = 200;
const MAX_TOTAL = 256 * 1024;

/** Options stand in front of the mailbox by the RFC's grammar and behind it in its examples; both are read. */
function parseGet(cursor: Cursor, session: Session) {
  let options: MetadataOptions = PLAIN;
  cursor.space();
  if (cursor.sees("(")) {
    options = parseMetadataOptions(cursor);
    cursor.space();
  }
  const mailbox = session.mailboxName(cursor);
  cursor.space();
  const at = cursor.at;
  if (cursor.sees("(")) {
    cursor.skipValue();
    const optionsCame = cursor.sees(" ");
    cursor.at = at;
    if (optionsCame) {
      options = parseMetadataOptions(cursor);
      cursor.space();
    }
  }
  const entries = parseEntries(cursor);
  cursor.end();
  return { mailbox, options, entries };
}

/** GETMETADATA (RFC 5464 §4.2). */
export const getmetadata = command({
  name: "GETMETADATA",
  states: loggedIn,
  parse: parseGet,
  async run(session, { mailbox, options, entries }) {
    const metadata = await session.mail.metadata(mailbox);
    const longest = writeMetadata(session, mailbox, metadata, entries, options);
    return ok("That is what is known.", longest > 0 ? `METADATA LONGENTRIES ${longest}` : undefined);
  },
});

/** SETMETADATA (RFC 5464 §4.3): all entries or none. */
export const setmetadata = command({
  name: "SETMETADATA",
  states: loggedIn,
  parse(cursor, session) {
    cursor.space();
    const mailbox = session.mailboxName(cursor);
    cursor.space();
    const changes = new Map<string, Buffer | null>();
    cursor.list(() => {
      const entry = parseEntry(cursor);
      if (entry === "/private" || entry === "/shared") cursor.fail("an entry below /private or /shared");
      cursor.space();
      changes.set(entry, parseValue(cursor));
    });
    cursor.end();
    return { mailbox, changes };
  },
  async run(session, { mailbox, changes }): Promise<Completion> {
    const refused = await refusal(session, mailbox, changes);
    if (refused) return refused;
    await session.mail.setMetadata(mailbox, changes);
    return ok("Noted.");
  },
});

async function refusal(
  session: Session,
  mailbox: string,
  changes: ReadonlyMap<string, Buffer | null>,
): Promise<Completion | undefined> {
  for (const [entry, value] of changes) {
    // What is shared of the server as a whole is its administrator's (RFC 5464 §3.2.1.1).
    if (mailbox === "" && entry.startsWith("/shared/")) {
      return no("The server's own entries are read only.", "NOPERM");
    }
    // RFC 6154 §5.4 allows to refuse it: the use of a mailbox is given by CREATE.
    if (entry === "/private/specialuse") return no("A mailbox's use is given when it is made.", "CANNOT");
    if (value && value.length > MAX_VALUE) {
      return no(`A value has at most ${MAX_VALUE} bytes.`, `METADATA MAXSIZE ${MAX_VALUE}`);
    }
  }
  const after = new Map<string, Buffer | null>([...(await session.mail.metadata(mailbox)), ...changes]);
  const values = [...after.values()].filter((value) => value !== null);
  const total = values.reduce((sum, value) => sum + value.length, 0);
  const grows = [...changes.values()].some((value) => value !== null);
  if (grows && (values.length > MAX_ENTRIES || total > MAX_TOTAL)) {
    return no("There are too many entries here; remove some.", "METADATA TOOMANY");
  }
  return undefined;
}
