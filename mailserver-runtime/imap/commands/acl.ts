/** Who may do what with a mailbox: SETACL, DELETEACL, GETACL, LISTRIGHTS and MYRIGHTS (RFC 4314 §3). */
import type { AclChange } from "../../store/mail-store.ts";
import { ALL_RIGHTS, effectiveRights, formatRights, OWNER_RIGHTS, parseRights } from "../access/rights.ts";
import type { Cursor } from "../grammar/cursor.ts";
import { GrammarError } from "../grammar/cursor.ts";
import type { Session } from "../session.ts";
import { type Completion, command, loggedIn, no, ok } from "./command.ts";

const MODES: Readonly<Record<string, AclChange["mode"]>> = { "+": "add", "-": "remove" };
const EVERYBODY = ["anyone", "authenticated", "owner"];

/** An account's address, everybody or a group, perhaps with "-" in front; in the form it is kept. */
function identifier(cursor: Cursor): string {
  const text = cursor.astring().toString("utf8");
  if (/[\x00-\x1f\x7f]/.test(text) || text.length > 320) throw new GrammarError("that is no identifier");
  const name = text.replace(/^-/, "");
  const isFolded = name.includes("@") || EVERYBODY.includes(name.toLowerCase());
  return isFolded ? text.toLowerCase() : text;
}

function isKnownKind(text: string): boolean {
  const name = text.replace(/^-/, "");
  return EVERYBODY.includes(name) || /^!?\$./.test(name) || /^[^@]+@[^@]+$/.test(name);
}

function mailbox(cursor: Cursor, session: Session): string {
  cursor.space();
  return session.mailboxName(cursor);
}
/** A mailbox and nothing more. */
function mailboxAlone(cursor: Cursor, session: Session): string {
  const name = mailbox(cursor, session);
  cursor.end();
  return name;
}
/** A mailbox and somebody. */
function mailboxAndIdentifier(
  cursor: Cursor,
  session: Session,
): { readonly name: string; readonly who: string } {
  const name = mailbox(cursor, session);
  cursor.space();
  return { name, who: identifier(cursor) };
}

async function change(session: Session, name: string, wanted: AclChange): Promise<Completion> {
  if (!isKnownKind(wanted.identifier)) {
    return no(
      "Rights are given to an address, anyone, authenticated, owner or a $group; with - in front they are taken.",
      "CANNOT",
    );
  }
  await session.mail.setAcl(name, wanted);
  return ok("Noted.");
}

/** SETACL (RFC 4314 §3.1): letters replace what an identifier has, or with + and - change it. */
export const setacl = command({
  name: "SETACL",
  states: loggedIn,
  parse(cursor, session) {
    const { name, who } = mailboxAndIdentifier(cursor, session);
    cursor.space();
    const letters = cursor.astring().toString("latin1");
    cursor.end();
    const mode = MODES[letters[0] ?? ""] ?? "replace";
    const rights = parseRights(mode === "replace" ? letters : letters.slice(1));
    if (rights === undefined) throw new GrammarError(`rights are letters of ${ALL_RIGHTS}`);
    return { name, wanted: { identifier: who, mode, rights } };
  },
  run: (session, { name, wanted }) => change(session, name, wanted),
});

/** DELETEACL (RFC 4314 §3.2). */
export const deleteacl = command({
  name: "DELETEACL",
  states: loggedIn,
  parse(cursor, session) {
    const { name, who } = mailboxAndIdentifier(cursor, session);
    cursor.end();
    return { name, wanted: { identifier: who, mode: "replace" as const, rights: "" } };
  },
  run: (session, { name, wanted }) => change(session, name, wanted),
});

/** GETACL (RFC 4314 §3.3); the owner is listed also where nobody has said anything of it. */
export const getacl = command({
  name: "GETACL",
  states: loggedIn,
  parse: mailboxAlone,
  async run(session, name) {
    const acl = await session.mail.acl(name);
    const owner = await session.mail.ownerOf(name);
    const entries = [...acl];
    if (!acl.has("owner") && !acl.has(owner))
      entries.unshift([owner, effectiveRights(acl, { user: owner, groups: [], isOwner: true })]);
    const { out } = session;
    out.text("* ACL ");
    session.writeMailboxName(name);
    for (const [who, rights] of entries) {
      out.text(" ");
      out.astring(Buffer.from(who, "utf8"));
      out.text(` ${formatRights(rights) || '""'}`);
    }
    out.text("\r\n");
    return ok("That is the list.");
  },
});

/** LISTRIGHTS (RFC 4314 §3.4): each right can be given by itself; an owner keeps two in any case. */
export const listrights = command({
  name: "LISTRIGHTS",
  states: loggedIn,
  parse(cursor, session) {
    const { name, who } = mailboxAndIdentifier(cursor, session);
    cursor.end();
    return { name, who };
  },
  async run(session, { name, who }) {
    await session.mail.acl(name);
    const isOwner = who === "owner" || who === (await session.mail.ownerOf(name));
    const always = isOwner ? OWNER_RIGHTS : "";
    const { out } = session;
    out.text("* LISTRIGHTS ");
    session.writeMailboxName(name);
    out.text(" ");
    out.astring(Buffer.from(who, "utf8"));
    out.text(` ${always === "" ? '""' : always}`);
    // The rights of RFC 2086 belong to those they stand for (RFC 4314 §2.1.1).
    const optional = [...ALL_RIGHTS, "c", "d"].filter((right) => !always.includes(right));
    out.text(` ${optional.join(" ")}\r\n`);
    return ok("Those can be given.");
  },
});

export async function writeMyRights(session: Session, name: string): Promise<void> {
  const rights = await session.mail.rightsOf(name);
  session.out.text("* MYRIGHTS ");
  session.writeMailboxName(name);
  session.out.text(` ${formatRights(rights)}\r\n`);
}

/** MYRIGHTS (RFC 4314 §3.5). */
export const myrights = command({
  name: "MYRIGHTS",
  states: loggedIn,
  parse: mailboxAlone,
  async run(session, name) {
    await writeMyRights(session, name);
    return ok("Those are yours.");
  },
});
