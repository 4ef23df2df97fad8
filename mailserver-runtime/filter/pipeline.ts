/**
 * The filter's interface. Checks look at one message once and give findings; a policy turns findings into
 * an action for each recipient (DESIGN: "a verdict is a list of reasons"). The result is written into
 * Authentication-Results (RFC 8601) by the one who asked.
 */
import type { MessageContent } from "../message/content.ts";
import type { Headers } from "../message/headers.ts";
import type { MessageChange } from "./changes/message-change.ts";

export interface InboundMessage {
  readonly content: MessageContent;
  /** The header section, where the caller has parsed it already. */
  readonly headers?: Headers;
  readonly client: { readonly address: string; readonly port: number; readonly secure: boolean };
  /** EHLO/HELO argument as given. */
  readonly helo: string;
  /** Reverse-path, "" for null. */
  readonly from: string;
  readonly recipients: readonly string[];
  readonly receivedAt: Date;
  /** As the log and the reply call the message. */
  readonly id?: string;
  /** Who has submitted it; undefined for mail from outside. */
  readonly account?: string;
  readonly signal?: AbortSignal;
}
export interface Finding {
  /** The check's name, e.g. "spf". */
  readonly check: string;
  /** The field's usual symbol where there is one, e.g. "R_SPF_FAIL". */
  readonly symbol: string;
  readonly score: number;
  readonly reason: string;
}
export interface ResultField {
  readonly name: string;
  readonly value: string;
}
export type Action =
  | { readonly kind: "accept" }
  | { readonly kind: "junk"; readonly reason: string }
  /** Kept from the recipient until an administrator looks (quarantine/). */
  | { readonly kind: "quarantine"; readonly reason: string }
  | { readonly kind: "reject"; readonly code: number; readonly status: string; readonly text: string }
  | { readonly kind: "tempfail"; readonly code: number; readonly status: string; readonly text: string };
/** What one recipient's policy makes of the findings. */
export interface RecipientVerdict {
  readonly action: Action;
  readonly headers: readonly ResultField[];
}
export interface Verdict {
  readonly findings: readonly Finding[];
  /** Sum of scores. */
  readonly score: number;
  /** `method=result reason ptype.property=value` clauses, without header name and authserv-id. */
  readonly authenticationResults: readonly string[];
  /** Fields for the copy that is stored (X-Spam-…), values folded, without the last line end. */
  readonly headers?: readonly ResultField[];
  readonly action: Action;
  /** One for each of the message's recipients, in their order, where their policies may differ; default: `action` and `headers` for all. */
  readonly each?: readonly RecipientVerdict[];
  /** What engines want changed in the message and its envelope, in the order in which it is to be done. */
  readonly changes?: readonly MessageChange[];
  /** Milliseconds of each check that took one or more. */
  readonly times: Readonly<Record<string, number>>;
}
export interface InboundFilter {
  /** Never throws for what a message or a name server does; a failed check is a finding. */
  inspect(message: InboundMessage): Promise<Verdict>;
}
export interface Signer {
  /**
   * DKIM-Signature headers for a message, one for each active key of the From domain, newest first, CRLF
   * ended; empty when the domain has no active key. `prefix` stands before the content.
   */
  sign(domain: string, prefix: Buffer, content: MessageContent): Promise<Buffer>;
}
