/**
 * What the queue knows of one message: a header, written once with the message, and records, added as things happen.
 * The state is what the records make of the header; `replay` is the only way to get it, at start and after each change,
 * so what survives a crash and what runs in memory cannot differ.
 */
import type { Envelope, EnvelopeRecipient } from "./queue.ts";

/** The first line of a spool file, as JSON. */
export interface StoredHeader {
  readonly version: 1;
  readonly id: string;
  /** Milliseconds since the epoch. */
  readonly queuedAt: number;
  readonly envelope: Envelope;
  /** Octets of the prefix and of the content, which follow the header line. */
  readonly prefixSize: number;
  readonly contentSize: number;
  /** Octets above 127 anywhere. */
  readonly eightBit: boolean;
  /** Octets above 127 in the header section. */
  readonly eightBitHeaders: boolean;
  readonly holdUntil?: number;
  readonly heldBecause?: string;
  readonly hops?: number;
  readonly lifetimeSeconds?: number;
  readonly account?: string;
}

/** How an attempt ended for one recipient. */
export interface Result {
  readonly outcome: "delivered" | "temporary" | "permanent";
  readonly status: string;
  readonly text: string;
  readonly replied: boolean;
  /** `host[address]:port`, where one was reached. */
  readonly remote?: string;
  /** How the connection was secured, in words: "TLSv1.3, DANE". */
  readonly tls?: string;
  /** Delivered here, or to a host that does not report further by itself (RFC 3461 §5.2.2). */
  readonly withoutDsn?: boolean;
}

/** One line of a message's journal. */
export type JournalRecord =
  /** Results by the recipient's place in the envelope. */
  | { readonly type: "attempt"; readonly at: number; readonly results: Readonly<Record<string, Result>> }
  /** A round over all destinations has ended; the next begins then. */
  | { readonly type: "next"; readonly at: number }
  | { readonly type: "held"; readonly held: boolean }
  /** The sender has been told about these recipients for good. */
  | { readonly type: "reported"; readonly recipients: readonly number[] }
  /** The sender has been told of the delay. */
  | { readonly type: "warned" };

export interface RecipientState extends EnvelopeRecipient {
  readonly index: number;
  readonly status: "waiting" | "delivered" | "failed";
  readonly last: (Result & { readonly at: number }) | undefined;
  readonly reported: boolean;
}
export interface MessageState {
  readonly header: StoredHeader;
  readonly recipients: readonly RecipientState[];
  /** Rounds ended. */
  readonly attempts: number;
  readonly nextAttemptAt: number;
  readonly held: boolean;
  /** Why it was held as it came; undefined once it has been released. */
  readonly heldBecause: string | undefined;
  readonly warned: boolean;
  /** A line for each attempt and recipient, oldest first. */
  readonly transcript: readonly string[];
}

/** The state that a header and its records stand for. */
export function replay(header: StoredHeader, records: readonly JournalRecord[]): MessageState {
  const start: MessageState = {
    header,
    recipients: header.envelope.recipients.map((recipient, index) => ({
      ...recipient,
      index,
      status: "waiting",
      last: undefined,
      reported: false,
    })),
    attempts: 0,
    nextAttemptAt: header.holdUntil ?? header.queuedAt,
    held: header.heldBecause !== undefined && header.holdUntil === undefined,
    heldBecause: header.heldBecause,
    warned: false,
    transcript: [],
  };
  return records.reduce(applyRecord, start);
}

/** The state after one more record. */
export function applyRecord(state: MessageState, record: JournalRecord): MessageState {
  switch (record.type) {
    case "attempt":
      return {
        ...state,
        recipients: state.recipients.map((recipient) => {
          const result = record.results[recipient.index];
          return result === undefined ? recipient : withResult(recipient, result, record.at);
        }),
        transcript: [...state.transcript, ...transcriptOf(state, record)],
      };
    case "next":
      return { ...state, attempts: state.attempts + 1, nextAttemptAt: record.at };
    case "held":
      return record.held ? { ...state, held: true } : released(state);
    case "warned":
      return { ...state, warned: true };
    case "reported": {
      const told = new Set(record.recipients);
      return {
        ...state,
        recipients: state.recipients.map((each) =>
          told.has(each.index) ? { ...each, reported: true } : each,
        ),
      };
    }
  }
}

/** An operator's release also ends what the message was held for as it came. */
function released(state: MessageState): MessageState {
  const { heldBecause, header, nextAttemptAt } = state;
  return {
    ...state,
    held: false,
    heldBecause: undefined,
    nextAttemptAt: heldBecause === undefined ? nextAttemptAt : header.queuedAt,
  };
}

/** When a message's lifetime began: a hold that was asked for or imposed does not count (RFC 4865 §4). */
export function lifeBegan({ queuedAt, holdUntil = 0 }: StoredHeader): number {
  return Math.max(queuedAt, holdUntil);
}

/** Whether nothing is left to deliver. */
export function isSettled(state: MessageState): boolean {
  return state.recipients.every((recipient) => recipient.status !== "waiting");
}

/** Whether the next hop must know SMTPUTF8 (RFC 6531 §3.2): for these recipients, this sender and these headers. */
export function wantsSmtpUtf8(header: StoredHeader, recipients: readonly EnvelopeRecipient[]): boolean {
  const { from, smtpUtf8 } = header.envelope;
  return (
    (smtpUtf8 === true && header.eightBitHeaders) ||
    [from, ...recipients.map(({ address }) => address)].some((address) => NON_ASCII.test(address))
  );
}

function withResult(recipient: RecipientState, result: Result, at: number): RecipientState {
  const status =
    result.outcome === "delivered" ? "delivered" : result.outcome === "permanent" ? "failed" : "waiting";
  return { ...recipient, status, last: { ...result, at } };
}

function transcriptOf(state: MessageState, record: JournalRecord & { type: "attempt" }): readonly string[] {
  const time = new Date(record.at).toISOString();
  return Object.entries(record.results).map(([index, result]) => {
    const address = state.recipients[Number(index)]?.address ?? "?";
    const { remote = "-", outcome, status, text, tls } = result;
    return `${time} <${address}> ${remote} ${outcome} ${status}: ${text}${tls === undefined ? "" : ` (${tls})`}`;
  });
}

const NON_ASCII = /[^\0-\x7f]/;
const OUTCOMES: ReadonlySet<unknown> = new Set(["delivered", "temporary", "permanent"]);

/**
 * Reads a journal. The last line may have been cut off by a crash; it, and anything that is no record, is passed over:
 * what is lost is at most the knowledge of one attempt.
 */
export function parseJournal(text: string): readonly JournalRecord[] {
  return text.split("\n").flatMap((line) => {
    try {
      const value: unknown = JSON.parse(line);
      return isRecord(value) ? [value] : [];
    } catch {
      return [];
    }
  });
}

function isRecord(value: unknown): value is JournalRecord {
  if (typeof value !== "object" || value === null || !("type" in value)) return false;
  const record = value as Record<string, unknown>;
  switch (record.type) {
    case "attempt":
      return (
        typeof record.at === "number" &&
        typeof record.results === "object" &&
        record.results !== null &&
        Object.values(record.results).every((result) => OUTCOMES.has((result as Result | null)?.outcome))
      );
    case "next":
      return typeof record.at === "number";
    case "held":
      return typeof record.held === "boolean";
    case "reported":
      return Array.isArray(record.recipients);
    case "warned":
      return true;
    default:
      return false;
  }
}

/** Reads the header line of a spool file; undefined when it is none of ours. */
export function parseHeader(line: string): StoredHeader | undefined {
  try {
    const value = JSON.parse(line) as Partial<StoredHeader> | null;
    const fits =
      value?.version === 1 &&
      typeof value.id === "string" &&
      typeof value.queuedAt === "number" &&
      typeof value.prefixSize === "number" &&
      typeof value.contentSize === "number" &&
      typeof value.envelope?.from === "string" &&
      Array.isArray(value.envelope.recipients) &&
      value.envelope.recipients.every((recipient) => typeof recipient?.address === "string");
    return fits ? (value as StoredHeader) : undefined;
  } catch {
    return undefined;
  }
}
