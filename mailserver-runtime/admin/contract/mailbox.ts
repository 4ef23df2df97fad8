/** Mailboxes: declared, read, examined, brought back, removed, purged. */
import { z } from "zod";
import { address, owner } from "./words.ts";

const mailboxExamination = {
  request: z.strictObject({ address }),
  answer: z.strictObject({
    address: z.string(),
    /** What counts, and the limit; 0 is none. */
    bytes: z.number(),
    messages: z.int(),
    quotaBytes: z.number(),
    mailboxes: z.array(
      z.strictObject({
        name: z.string(),
        messages: z.int(),
        unseen: z.int(),
        bytes: z.number(),
        uidValidity: z.int(),
        uidNext: z.int(),
        highestModSeq: z.int(),
        index: z.enum(["current", "stale", "damaged", "absent", "in-use"]),
      }),
    ),
    problems: z.array(
      z.strictObject({ mailbox: z.string(), file: z.string().optional(), reason: z.string() }),
    ),
  }),
};

/** Which expunged messages are meant; without any field all that are kept. */
const expungedSelection = {
  address,
  mailbox: z.string().min(1).max(1000).optional(),
  /** ISO 8601; expunged then or later. */
  since: z.iso.datetime({ offset: true }).or(z.iso.date()).optional(),
  /** Words that the subject has, in any case. */
  subject: z.string().min(1).max(1000).optional(),
};

export const mailboxOperations = {
  /**
   * Declares a mailbox. `password` with policy "initial" is set only when the account has none (a later change by its
   * user stays); "enforced" sets it whenever it does not match. `passwordHash` is written as it is.
   */
  "mailbox.put": {
    request: z.strictObject({
      address,
      owner,
      password: z
        .strictObject({ text: z.string().min(1), policy: z.enum(["initial", "enforced"]) })
        .optional(),
      passwordHash: z
        .string()
        .regex(/^\{[A-Z0-9.-]+\}.+$/)
        .optional(),
      quotaBytes: z.int().min(0).default(0),
      displayName: z.string().max(256).optional(),
    }),
    answer: z.strictObject({ address, created: z.boolean(), adoptedFrom: owner.optional() }),
  },
  "mailbox.read": {
    request: z.strictObject({ address, password: z.string().optional() }),
    answer: z.strictObject({
      exists: z.boolean(),
      enabled: z.boolean(),
      owner: owner.optional(),
      quotaBytes: z.int(),
      displayName: z.string().optional(),
      /** Whether the password given in the request is the account's. */
      passwordMatches: z.boolean().optional(),
    }),
  },
  /** Refuses logins and new mail from now on; the Maildir stays where it is. */
  "mailbox.remove": {
    request: z.strictObject({ address, owner }),
    answer: z.strictObject({ removed: z.boolean(), mailDirectory: z.string() }),
  },
  /** Deletes the mail of an address that is not declared any more. The only operation that deletes mail. */
  "mailbox.purge": {
    request: z.strictObject({ address }),
    answer: z.strictObject({ purged: z.boolean(), messages: z.int(), bytes: z.number() }),
  },
  /** How an account's mail stands: its mailboxes with their indexes as they were found. */
  "mailbox.stat": mailboxExamination,
  /** Also reads every message and holds index and UID list against the disk; `problems` name what is wrong and the way out. */
  "mailbox.check": mailboxExamination,
  /** Makes the indexes anew from the mail; loses nothing, and MODSEQ only grows. */
  "mailbox.rebuild": mailboxExamination,
  /** What was expunged within the window of the settings and can be brought back, the longest gone first. */
  "mailbox.expunged": {
    request: z.strictObject(expungedSelection),
    answer: z.strictObject({
      messages: z.array(
        z.strictObject({
          mailbox: z.string(),
          expungedAt: z.string(),
          bytes: z.number(),
          from: z.string(),
          subject: z.string(),
        }),
      ),
    }),
  },
  /** Puts it back into the mailboxes it was in, with new UIDs; a mailbox that was deleted is made again. */
  "mailbox.undelete": {
    request: z.strictObject(expungedSelection),
    answer: z.strictObject({
      mailboxes: z.array(z.strictObject({ mailbox: z.string(), messages: z.int() })),
    }),
  },
} as const;
