/**
 * What the processes of one server ask each other: one typed table. Requests and answers are plain JSON; a message's
 * bytes never travel, its path does.
 */
import type { Offence } from "../ban/offence.ts";
import type { Asked } from "../filter/engines/engine-tally.ts";
import type { GreylistAnswer, GreylistQuestion } from "../greylist/greylist.ts";
import type { Refused } from "../net/serve-socket.ts";
import type { Admission, AdmissionRequest, Counted } from "../smtp/submission-limits/limiter.ts";
import type { Examination, ExaminedAccount } from "../store/examination.ts";
import type { StoreUsage } from "../store/mail-store.ts";
import type { WrittenCopy } from "../store/maildir/owned-store.ts";
import type { ExpungedMessage, ExpungedSelection, MailboxCount } from "../store/retention.ts";
import type { WiredAttempt, WiredResult } from "./login-by-wire.ts";
import type { RelayEvent } from "./session-relay.ts";

/** A process of the server: 0 is the first, which owns the ports; workers count upwards and no number comes twice. */
export type ProcessNumber = number;
export const FRONT: ProcessNumber = 0;

/**
 * Why an account is asked for: a session wants to be served where it is, one of an account that takes part in sharing is
 * served by the first process, a delivery goes wherever the owner is.
 */
export type Purpose = "session" | "shared session" | "delivery";

interface ExpungedRequest {
  readonly account: string;
  readonly selection: ExpungedSelection;
}

export interface Calls {
  // What a worker asks of the first process.
  /** Whose the account is; the asker's where it was nobody's. */
  ownerOf: { request: { account: string; purpose: Purpose }; answer: { owner: ProcessNumber } };
  /** Checks a password, at the pace and under the bans of the whole server. */
  verify: { request: WiredAttempt; answer: WiredResult };
  /** Counts what an account submits. */
  limit: { request: AdmissionRequest; answer: Admission };
  /** Takes that back where the message was not kept. */
  giveBack: { request: Counted; answer: null };
  /** Whether an account has written to an address. */
  hasMet: { request: { account: string; address: string }; answer: { met: boolean } };
  /** Whether a sender has to come again (greylist/). */
  greylist: { request: GreylistQuestion; answer: GreylistAnswer };
  greylistKnows: { request: GreylistQuestion; answer: { known: boolean } };
  offend: { request: Offence; answer: null };
  /** Counts how a question to an engine ended (filter/engines/). */
  engineAsked: { request: Asked; answer: null };
  /** Mail of a domain here leaves unsigned. */
  unsigned: { request: { domain: string }; answer: null };
  /** What becomes of a message for the queue: being written, in the spool, or not written (queue/spool-writer.ts). */
  spooling: { request: { id: string; stage: "announced" | "queued" | "failed" }; answer: null };
  /** A connection behind a proxy has said whose it is: may it stay? */
  admit: { request: { connection: number; address: string }; answer: { refused: Refused | null } };

  // What any process is asked.
  /** A session it relays has something to tell; see session-relay.ts. */
  relay: { request: { id: number; event: RelayEvent }; answer: null };
  /** Reads all files again. */
  reload: { request: { reopenLog: boolean }; answer: null };

  // What the owner of an account is asked.
  /** Puts a written message into a mailbox. */
  place: { request: WrittenCopy; answer: null };
  /** Makes the account's directories. */
  prepare: { request: { account: string }; answer: null };
  usage: { request: { account: string }; answer: StoreUsage };
  forget: { request: { account: string }; answer: null };
  /** For an administrator (`store/examination.ts`). */
  examine: { request: { account: string; how: Examination }; answer: ExaminedAccount };
  /** `store/retention.ts`: what expired, what can be brought back, and what came back. */
  expire: { request: { account: string }; answer: readonly MailboxCount[] };
  expunged: { request: ExpungedRequest; answer: readonly ExpungedMessage[] };
  undelete: { request: ExpungedRequest; answer: readonly MailboxCount[] };
  /** Gives the account up, unless somebody uses it. */
  letGo: { request: { account: string }; answer: { free: boolean } };
}
export type CallName = keyof Calls;
/** What a process answers; `from` is who asks. */
export type Answers = {
  readonly [N in CallName]?: (
    request: Calls[N]["request"],
    from: ProcessNumber,
  ) => Calls[N]["answer"] | Promise<Calls[N]["answer"]>;
};
