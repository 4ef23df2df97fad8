/**
 * Rights of access control lists (RFC 4314 §2): single letters, and who of a list's identifiers somebody is.
 *
 * Of several entries that fit one person the most specific counts, as in Dovecot: a group that overrides (`!$name`) before
 * the user before the owner before a group (`$name`) before authenticated before anyone; so a user's own empty entry takes
 * away what `anyone` has. Who belongs to several groups has what any of them has. Rights of negative identifiers that fit are
 * taken off whatever else says (RFC 4314 §2).
 */
import type { Acl } from "../../store/mail-store.ts";

/** Letters in the order they are written: look up, read, keep Seen, write flags, insert, post, create, delete, delete messages, expunge, administer. */
export const ALL_RIGHTS = "lrswipkxtea";
export type Right = "l" | "r" | "s" | "w" | "i" | "p" | "k" | "x" | "t" | "e" | "a";
/** A set of rights: their letters, in the order of ALL_RIGHTS. */
export type Rights = string;

/** Rights of RFC 2086, and what they mean now (RFC 4314 §2.1.1). */
const OBSOLETE: Readonly<Record<string, string>> = { c: "kx", d: "te" };

/** Whose own mailboxes these are keeps these two, so that nobody locks himself out. */
export const OWNER_RIGHTS: Rights = "la";

/** Letters as a client gives them, obsolete ones translated; undefined where one means nothing. */
export function parseRights(letters: string): Rights | undefined {
  let known = "";
  for (const letter of letters) {
    const meaning = OBSOLETE[letter] ?? letter;
    if (![...meaning].every((right) => ALL_RIGHTS.includes(right))) return undefined;
    known += meaning;
  }
  return inOrder(known);
}

/** Each right once, in order. */
export function inOrder(letters: string): Rights {
  return [...ALL_RIGHTS].filter((right) => letters.includes(right)).join("");
}

/** Letters as a client is told them, with those of RFC 2086 that it may look for (RFC 4314 §2.1.1). */
export function formatRights(rights: Rights): string {
  const obsolete = Object.entries(OBSOLETE).filter(([, meaning]) =>
    [...meaning].some((right) => rights.includes(right)),
  );
  return rights + obsolete.map(([letter]) => letter).join("");
}

/** Whose rights are asked for. */
export interface Person {
  readonly user: string;
  /** Names of the groups the user belongs to. */
  readonly groups: readonly string[];
  /** Whether the mailbox is the user's own. */
  readonly isOwner: boolean;
}

/** Identifiers from the least specific to the most; those of one rank give what any of them gives. */
function ranksOf({ user, groups, isOwner }: Person): readonly (readonly string[])[] {
  return [
    ["anyone"],
    ["authenticated"],
    groups.map((name) => `$${name}`),
    isOwner ? ["owner"] : [],
    [user],
    groups.map((name) => `!$${name}`),
  ];
}
/** What is said of everybody; who owns a mailbox loses nothing by it, nor by what is said of a group. */
const GENERAL_RANKS = 3;

/** What somebody may do with a mailbox that has this list; without an entry for its owner the owner may everything. */
export function effectiveRights(acl: Acl, person: Person): Rights {
  const { isOwner } = person;
  let rights: Rights = isOwner ? ALL_RIGHTS : "";
  let refused = "";
  for (const [rank, identifiers] of ranksOf(person).entries()) {
    const given = identifiers.flatMap((identifier) => acl.get(identifier) ?? []);
    const isOthers = isOwner && rank < GENERAL_RANKS && !acl.has("owner");
    if (given.length > 0 && !isOthers) rights = given.join("");
    refused += identifiers.map((identifier) => acl.get(`-${identifier}`) ?? "").join("");
  }
  const left = [...rights].filter((right) => !refused.includes(right)).join("");
  return inOrder(isOwner ? left + OWNER_RIGHTS : left);
}
