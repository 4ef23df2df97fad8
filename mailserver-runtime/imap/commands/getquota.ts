import { QUOTA_ROOT, resources } from "../quota.ts";
import type { Session } from "../session.ts";
import { command, loggedIn, no, ok } from "./command.ts";

async function writeQuota(session: Session): Promise<void> {
  const triplets = (await resources(session)).map(({ name, used, limit }) => `${name} ${used} ${limit}`);
  session.out.text(`* QUOTA "${QUOTA_ROOT}" (${triplets.join(" ")})\r\n`);
}

/** GETQUOTA (RFC 9208 §4.1.1). */
export const getquota = command({
  name: "GETQUOTA",
  states: loggedIn,
  parse(cursor) {
    cursor.space();
    const root = cursor.astring().toString("utf8");
    cursor.end();
    return root;
  },
  async run(session, root) {
    if (root !== QUOTA_ROOT) return no("There is no such quota root.", "NONEXISTENT");
    await writeQuota(session);
    return ok("That is the quota.");
  },
});

/** GETQUOTAROOT (RFC 9208 §4.1.2); the mailbox need not exist. */
export const getquotaroot = command({
  name: "GETQUOTAROOT",
  states: loggedIn,
  parse(cursor, session) {
    cursor.space();
    const name = session.mailboxName(cursor);
    cursor.end();
    return name;
  },
  async run(session, name) {
    // Another user's mailbox counts for that user, whose quota is nobody else's business.
    const isOwn = !name.startsWith(session.mail.othersPrefix);
    session.out.text("* QUOTAROOT ");
    session.writeMailboxName(name);
    session.out.text(isOwn ? ` "${QUOTA_ROOT}"\r\n` : "\r\n");
    if (isOwn) await writeQuota(session);
    return ok("That is its quota.");
  },
});
