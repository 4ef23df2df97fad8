/** How long mail stays: when messages of a folder expire, and how long what was expunged can be brought back. */

/** Expunged messages that can be brought back. 0 days: none are kept. */
export interface UndeleteWindow {
  readonly days: number;
  /** What is kept of one account takes at most so many bytes; the oldest goes first. */
  readonly bytes: number;
}

/** Messages of a mailbox are expunged when they have been in it for so many days (SAVEDATE, RFC 8514). */
export interface ExpiryRule {
  /**
   * A mailbox's name (levels between "." or "/"), one that ends with a level "*" for all below it, or an attribute such as
   * `\Trash` for whatever mailbox has that use (RFC 6154).
   */
  readonly mailbox: string;
  readonly days: number;
  /** An address or a domain; without it all accounts. */
  readonly for?: string | undefined;
}

/** An expunged message, as an administrator is shown it. */
export interface ExpungedMessage {
  readonly mailbox: string;
  /** Milliseconds since the epoch. */
  readonly expungedAt: number;
  readonly bytes: number;
  /** Header fields as they stand, on one line; empty where there is none. */
  readonly from: string;
  readonly subject: string;
}
/** Which expunged messages are meant; without any field all that are kept. */
export interface ExpungedSelection {
  readonly mailbox?: string | undefined;
  /** Expunged then or later; milliseconds since the epoch. */
  readonly since?: number | undefined;
  /** Words that the subject has, in any case. */
  readonly subject?: string | undefined;
}

/** So many messages of a mailbox expired, or came back. */
export interface MailboxCount {
  readonly mailbox: string;
  readonly messages: number;
}

/** The rule with the fewest days that fits a mailbox, given its levels, its use and whose it is. */
export function daysFor(
  rules: readonly ExpiryRule[],
  mailbox: {
    readonly account: string;
    readonly levels: readonly string[];
    readonly use?: string | undefined;
  },
): number | undefined {
  const domain = mailbox.account.slice(mailbox.account.lastIndexOf("@") + 1);
  const days = rules.flatMap((rule) => {
    const isMeant = rule.for === undefined || [mailbox.account, domain].includes(rule.for.toLowerCase());
    return isMeant && names(rule.mailbox, mailbox) ? [rule.days] : [];
  });
  return days.length > 0 ? Math.min(...days) : undefined;
}

function names(
  pattern: string,
  { levels, use }: { readonly levels: readonly string[]; readonly use?: string | undefined },
): boolean {
  if (pattern.startsWith("\\")) return use?.toLowerCase() === pattern.toLowerCase();
  const wanted = pattern.split(/[./]/);
  if (wanted[0]!.toUpperCase() === "INBOX") wanted[0] = "INBOX";
  const isTree = wanted.at(-1) === "*";
  if (isTree) wanted.pop();
  return (
    (isTree ? levels.length > wanted.length : levels.length === wanted.length) &&
    wanted.every((level, i) => level === levels[i])
  );
}
