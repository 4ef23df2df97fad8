/** What an administrator may ask of one account's mail: how it stands, whether it is whole, and its indexes anew. */

/**
 * "stat" looks. "check" also reads every message and holds the index against the disk, changing nothing that opening the
 * mailbox does not. "rebuild" throws the indexes away and makes them anew: nothing is lost, and MODSEQ only grows; sessions
 * that have a mailbox of the account open must select it again.
 */
export type Examination = "stat" | "check" | "rebuild";

/** "in-use": it is in a running server's memory. */
export type IndexCondition = "current" | "stale" | "damaged" | "absent" | "in-use";

export interface ExaminedMailbox {
  readonly name: string;
  readonly messages: number;
  readonly unseen: number;
  /** Sum of RFC822.SIZE. */
  readonly bytes: number;
  readonly uidValidity: number;
  readonly uidNext: number;
  readonly highestModSeq: number;
  /** As it was found. */
  readonly index: IndexCondition;
}
export interface MailboxProblem {
  readonly mailbox: string;
  /** Relative to the mailbox's folder, where it is one file's. */
  readonly file?: string;
  /** What is wrong, and the way out. */
  readonly reason: string;
}
export interface ExaminedAccount {
  readonly bytes: number;
  readonly messages: number;
  readonly mailboxes: readonly ExaminedMailbox[];
  readonly problems: readonly MailboxProblem[];
}
