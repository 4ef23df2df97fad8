import { quotaRoots, type Resource } from "../quota.ts";
import type { Session } from "../session.ts";
import { command, loggedIn, no, ok } from "./command.ts";

function writeQuota(session: Session, root: string, resources: readonly Resource[]): void {
  const triplets = resources.map(({ name, used, limit }) => `${name} ${used} ${limit}`);
  session.out.text(`* QUOTA "${root}" (${triplets.join(" ")})\r\n`);
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
    const resources = (await quotaRoots(session)).get(root);
    if (resources === undefined) return no("There is no such quota root.", "NONEXISTENT");
    writeQuota(session, root, resources);
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
    const roots = isOwn ? await quotaRoots(session) : new Map<string, readonly Resource[]>();
    session.out.text("* QUOTAROOT ");
    session.writeMailboxName(name);
    session.out.text(`${[...roots.keys()].map((root) => ` "${root}"`).join("")}\r\n`);
    for (const [root, resources] of roots) writeQuota(session, root, resources);
    return ok("That is its quota.");
  },
});
