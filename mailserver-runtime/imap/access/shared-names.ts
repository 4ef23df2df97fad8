/**
 * Names of other users' mailboxes (RFC 2342 §5): `shared`, the owner's address, and the owner's name of the
 * mailbox, as Dovecot's `prefix = shared/%%u/` has it.
 *
 * Where the separator is "." the dots of an address would make levels of it; there they are written "^", as
 * Cyrus does. An address with a "^" of its own could not be told apart, so its mailboxes are not shown.
 */
const NAMESPACE = "shared";

/** Whose mailbox a name means, and what it is called there; "" is the whole account. */
export interface SharedName {
  readonly owner: string;
  readonly mailbox: string;
}

/** What all names of other users' mailboxes begin with. */
export const sharedPrefix = (separator: string): string => `${NAMESPACE}${separator}`;

const ownerLevel = (owner: string, separator: string) =>
  separator === "." ? owner.replaceAll(".", "^") : owner;

/** Whether an owner's mailboxes have names here. */
export function isNameable(owner: string, separator: string): boolean {
  return !owner.includes("^") && !ownerLevel(owner, separator).includes(separator);
}

/** The name another user's mailbox has for everybody else. */
export function sharedName({ owner, mailbox }: SharedName, separator: string): string {
  const account = sharedPrefix(separator) + ownerLevel(owner, separator);
  return mailbox === "" ? account : `${account}${separator}${mailbox}`;
}

/** Takes such a name apart; undefined for the user's own. A dotted address is understood where `owners` has it. */
export function parseSharedName(
  name: string,
  separator: string,
  owners: Iterable<string>,
): SharedName | undefined {
  const prefix = sharedPrefix(separator);
  if (!name.startsWith(prefix)) return undefined;
  const rest = name.slice(prefix.length);
  for (const owner of owners) {
    if (rest.toLowerCase() === owner) return { owner, mailbox: "" };
    if (rest.toLowerCase().startsWith(owner + separator)) {
      return { owner, mailbox: rest.slice(owner.length + separator.length) };
    }
  }
  const end = rest.indexOf(separator);
  const level = end < 0 ? rest : rest.slice(0, end);
  if (!level.includes("@")) return undefined;
  const owner = separator === "." ? level.replaceAll("^", ".") : level;
  return { owner: owner.toLowerCase(), mailbox: end < 0 ? "" : rest.slice(end + separator.length) };
}
