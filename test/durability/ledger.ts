/**
 * What the senders were told, and what arrived. From the two follows what must be there:
 *
 *     acknowledged ≤ copies ≤ acknowledged + unanswered
 *
 * for every letter and every recipient. A transaction is *unanswered* when the connection ended between the
 * message's last byte and the reply: the server may have kept the letter, and the sender, who cannot know,
 * sends it again (RFC 5321 §6.1, RFC 1047). Every copy above one comes from there, or is unexplained.
 */
import type { Letter } from "./letters.ts";

export interface Addressed {
  readonly letter: Letter;
  readonly from: string;
  /** As RCPT names them. */
  readonly recipients: readonly string[];
  /** Local accounts that get a copy. */
  readonly accounts: readonly string[];
  /** Addresses elsewhere that get one. */
  readonly remote: readonly string[];
  /** The account that hears of a recipient who refuses. */
  readonly reportTo?: string;
}
export interface Submission extends Addressed {
  acknowledged: number;
  unanswered: number;
  refused: number;
  /** Transactions that wait for their answer. */
  underWay: number;
  /** Taken out of the queue by an operator, who was told so then: nothing may arrive elsewhere later. Infinite while the operator waits. */
  removedAt?: number;
}
/** When a client asked and when it had the answer, by the clock of `now`, and on which of its ports. */
export interface Exchange {
  /** "250", "removed", or the kind of an IMAP change. */
  readonly what: string;
  /** The letter it was about; of several the first. */
  readonly token: string;
  /** The account, of an IMAP change. */
  readonly account?: string;
  readonly port: number;
  readonly askedAt: number;
  readonly answeredAt: number;
}
/** Milliseconds since the epoch, with parts. */
export const now = (): number => performance.timeOrigin + performance.now();

export interface RemoteArrival {
  readonly token: string;
  readonly recipient: string;
  /** Which of the server's processes brought it. */
  readonly incarnation: number;
  readonly at: number;
}

export class Ledger {
  readonly submissions = new Map<string, Submission>();
  readonly remoteArrivals: RemoteArrival[] = [];
  /** Everything acknowledged, in the order of the acknowledgements. */
  readonly exchanges: Exchange[] = [];
  /** Copies found, by account and token; reports under `report:<token>`. */
  readonly #copies = new Map<string, Map<string, number>>();

  submission(addressed: Addressed): Submission {
    const known = this.submissions.get(addressed.letter.token);
    if (known !== undefined) return known;
    const submission = { ...addressed, acknowledged: 0, unanswered: 0, refused: 0, underWay: 0 };
    this.submissions.set(addressed.letter.token, submission);
    return submission;
  }
  /** A copy that nobody had seen before was found in an account. */
  arrived(account: string, key: string): void {
    const copies = this.#copies.get(account) ?? new Map<string, number>();
    this.#copies.set(account, copies.set(key, (copies.get(key) ?? 0) + 1));
  }
  copies(account: string, key: string): number {
    return this.#copies.get(account)?.get(key) ?? 0;
  }

  /** What contradicts the rule above in the local accounts. */
  localProblems(): string[] {
    const problems: string[] = [];
    for (const [account, copies] of this.#copies)
      for (const key of copies.keys()) {
        const submission = this.submissions.get(key.replace(/^report:/, ""));
        if (submission === undefined) problems.push(`${account} has ${key}, which nobody sent`);
        else if (
          key.startsWith("report:") ? submission.reportTo !== account : !submission.accounts.includes(account)
        )
          problems.push(`${account} has ${key}, which was not for it`);
      }
    for (const submission of this.submissions.values())
      for (const account of submission.accounts) {
        const { token } = submission.letter;
        const copies = this.copies(account, token);
        if (copies < submission.acknowledged)
          problems.push(`LOST: ${told(submission)}, ${account} has ${copies}`);
        if (copies > mostCopies(submission))
          problems.push(`TOO MANY: ${told(submission)}, ${account} has ${copies}`);
      }
    return problems;
  }

  /** The same for what went elsewhere, once the queue is empty. One copy more for each process that was killed with it. */
  remoteProblems(): string[] {
    const problems: string[] = [];
    const arrivals = new Map<string, RemoteArrival[]>();
    for (const arrival of this.remoteArrivals) {
      const key = `${arrival.token} ${arrival.recipient}`;
      arrivals.set(key, [...(arrivals.get(key) ?? []), arrival]);
    }
    for (const submission of this.submissions.values()) {
      const { token } = submission.letter;
      const most = mostCopies(submission);
      for (const recipient of submission.remote) {
        const copies = arrivals.get(`${token} ${recipient}`) ?? [];
        arrivals.delete(`${token} ${recipient}`);
        if (submission.removedAt === undefined && submission.acknowledged > 0 && copies.length === 0)
          problems.push(`LOST: ${told(submission)}, nothing came to ${recipient}`);
        const late = copies.find(({ at }) => at > (submission.removedAt ?? Number.POSITIVE_INFINITY));
        if (late !== undefined && submission.unanswered === 0)
          problems.push(`SENT AFTER ITS REMOVAL: ${told(submission)}, to ${recipient}`);
        for (const incarnation of new Set(copies.map((copy) => copy.incarnation))) {
          const times = copies.filter((copy) => copy.incarnation === incarnation).length;
          if (times > most)
            problems.push(
              `TOO MANY: ${told(submission)}, ${times} to ${recipient} from process ${incarnation}`,
            );
        }
      }
      if (submission.reportTo !== undefined && submission.acknowledged > 0)
        if (this.copies(submission.reportTo, `report:${token}`) === 0)
          problems.push(`LOST: ${told(submission)}, no report came to ${submission.reportTo}`);
    }
    for (const key of arrivals.keys()) problems.push(`${key} arrived, and was not to`);
    return problems;
  }

  /** As it is now, for a test that goes back to this moment. */
  copy(): Ledger {
    const copy = new Ledger();
    for (const [token, submission] of this.submissions) copy.submissions.set(token, { ...submission });
    copy.remoteArrivals.push(...this.remoteArrivals);
    copy.exchanges.push(...this.exchanges);
    for (const [account, copies] of this.#copies) copy.#copies.set(account, new Map(copies));
    return copy;
  }

  /** Figures for the test's last line. */
  figures() {
    const all = [...this.submissions.values()];
    const sum = (of: (submission: Submission) => number) => all.reduce((total, one) => total + of(one), 0);
    const surplus = (key: string, account: string) => Math.max(0, this.copies(account, key) - 1);
    return {
      acknowledged: sum(({ acknowledged }) => acknowledged),
      unanswered: sum(({ unanswered }) => unanswered),
      refused: sum(({ refused }) => refused),
      localCopies: sum(({ accounts, letter }) =>
        accounts.reduce((total, account) => total + this.copies(account, letter.token), 0),
      ),
      localDuplicates: sum(({ accounts, letter }) =>
        accounts.reduce((total, account) => total + surplus(letter.token, account), 0),
      ),
      remoteCopies: this.remoteArrivals.length,
      remoteDuplicates:
        this.remoteArrivals.length -
        new Set(this.remoteArrivals.map(({ token, recipient }) => `${token} ${recipient}`)).size,
      remoteDuplicatesAfterUnanswered: this.#remoteSurplusOf(({ unanswered }) => unanswered > 0),
      repeatedReports: sum(({ reportTo, letter }) =>
        reportTo === undefined ? 0 : surplus(`report:${letter.token}`, reportTo),
      ),
    };
  }
  #remoteSurplusOf(which: (submission: Submission) => boolean): number {
    const of = this.remoteArrivals.filter(({ token }) => {
      const submission = this.submissions.get(token);
      return submission !== undefined && which(submission);
    });
    return of.length - new Set(of.map(({ token, recipient }) => `${token} ${recipient}`)).size;
  }
}

const mostCopies = ({ acknowledged, unanswered, underWay }: Submission): number =>
  acknowledged + unanswered + underWay;
function told({ letter, acknowledged, unanswered, refused, recipients }: Submission): string {
  return `${letter.token} (250: ${acknowledged}, no answer: ${unanswered}, refused: ${refused}) for ${recipients.join(", ")}`;
}
