/**
 * The outbound queue's interface. What `enqueue` has resolved is on disk and will be delivered, or bounced to
 * its reverse-path, whatever happens to the process (RFC 5321 §4.2.5, §6.1).
 *
 * Who has to make other things durable beside it, and to refuse all where one of them fails, uses `prepare`: the message is
 * on disk and nothing is sent, so it can still be taken back.
 */
import type { MessageContent } from "../message/content.ts";

export interface Envelope {
  /** Reverse-path without angle brackets; "" is the null reverse-path. */
  readonly from: string;
  readonly recipients: readonly EnvelopeRecipient[];
  /** RFC 3461 RET and ENVID. */
  readonly ret?: "FULL" | "HDRS";
  readonly envid?: string;
  readonly smtpUtf8?: boolean;
  readonly body?: "7BIT" | "8BITMIME";
  /** RFC 8689 REQUIRETLS: no hop may take it without checked TLS. */
  readonly requireTls?: boolean;
  /** RFC 8689 `TLS-Required: No`: the sender would rather have it arrive than MTA-STS or DANE kept. Never with `requireTls`. */
  readonly tlsOptional?: boolean;
  /** When its sender wanted it sent, for reports (RFC 4865 §6): `for;` and seconds, or `until;` and a date-time. */
  readonly releaseRequest?: string;
}
export interface EnvelopeRecipient {
  readonly address: string;
  /** RFC 3461 NOTIFY; default FAILURE (and DELAY at our choice). */
  readonly notify?: readonly ("NEVER" | "SUCCESS" | "FAILURE" | "DELAY")[];
  /** RFC 3461 ORCPT, `type;xtext` as given. */
  readonly orcpt?: string;
}
export interface QueueSubmission {
  readonly envelope: Envelope;
  /** Headers that stand before the message (Received, DKIM-Signature); CRLF ended, may be empty. */
  readonly prefix: Buffer;
  readonly content: MessageContent;
  /** Not before this time (RFC 4865), milliseconds since the epoch; the message's lifetime begins then. */
  readonly holdUntil?: number;
  /** Why it is held, for the administrator: until `holdUntil` or, without one, until it is released. */
  readonly heldBecause?: string;
  /** How often this message has been redirected here; a bounce or forward passes it on. */
  readonly hops?: number;
  /** The id of the transaction or message that it comes from, for the log: a reception, a message that is reported on. */
  readonly cause?: string;
  /** How long it is tried, where that is not `delivery.lifetimeSeconds`; a backup MX waits longer. */
  readonly lifetimeSeconds?: number;
  /** The authenticated account that submitted it, for limits and `queue list`. */
  readonly account?: string;
}
/**
 * A message on disk that waits for word, which must come. Where the process ends first it counts as committed: whoever
 * submitted it had no answer, and its sender must expect both (RFC 5321 §6.1).
 */
export interface Prepared {
  readonly id: string;
  /** It goes its way, as after `enqueue`. */
  commit(): void;
  /** Takes it back: when it resolves, not even a power loss brings it again. Its sender is not told. @throws {QueueError} */
  withdraw(): Promise<void>;
}
export interface OutboundQueue {
  /** Durable when it resolves. The id stands in the `250` and in every log line of the message. */
  enqueue(submission: QueueSubmission): Promise<{ readonly id: string }>;
  /** Durable when it resolves, and not tried before its `commit`. */
  prepare(submission: QueueSubmission): Promise<Prepared>;
  /** Takes no new work, waits for deliveries under way for at most `graceMs`, and leaves the rest on disk. */
  close(graceMs: number): Promise<void>;
}
export interface QueueEntry {
  readonly id: string;
  readonly from: string;
  readonly recipients: readonly {
    readonly address: string;
    readonly status: "waiting" | "delivering" | "delivered" | "failed";
    readonly lastReply?: string;
  }[];
  readonly size: number;
  readonly queuedAt: number;
  readonly nextAttemptAt: number;
  readonly attempts: number;
  readonly held: boolean;
  /** The account that submitted it. */
  readonly account?: string;
  /** Why it is not tried at the moment: a ceiling, or a receiver that asked for less. */
  readonly waitsFor?: string;
  /** Why, where it was held as it came and still waits for its release. */
  readonly heldBecause?: string;
}
