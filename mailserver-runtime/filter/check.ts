/**
 * What a check is: a name, a time limit, a stated behaviour when it fails, and a function from facts to
 * findings. Checks of one message run side by side; what two of them need (the DKIM results that DMARC
 * aligns with) is a fact, found once and shared.
 */
import type { Headers } from "../message/headers.ts";
import type { ArcResult } from "./arc/arc.ts";
import type { MessageChange } from "./changes/message-change.ts";
import type { DkimResult } from "./dkim/verify.ts";
import type { DmarcResult } from "./dmarc/dmarc.ts";
import type { Finding, InboundMessage } from "./pipeline.ts";
import type { Readable } from "./reading/readable.ts";
import type { SpfResult } from "./spf/spf.ts";

export interface Check {
  /** Stands in findings, times, metrics and logs. */
  readonly name: string;
  /** After this long the check counts as failed; milliseconds. */
  readonly timeLimit: number;
  /** What happens to the message when the check fails or does not end: go on without it, or ask the client to come back. */
  readonly onFailure: "accept" | "tempfail";
  run(message: InboundMessage, facts: Facts): Promise<CheckResult>;
}

export interface CheckResult {
  readonly findings: readonly Finding[];
  /** Clauses for Authentication-Results (RFC 8601 §2.2), without authserv-id. */
  readonly authenticationResults?: readonly string[];
  /** What the check alone would have done with the message; policy decides. */
  readonly advice?: Advice;
  /** What it would do with single recipients' copies, where that differs. */
  readonly forRecipients?: readonly { readonly recipient: string; readonly advice: Advice }[];
  /** What it wants changed in the message and its envelope; reception does it (changes/). */
  readonly changes?: readonly MessageChange[];
}
export type Advice =
  | { readonly kind: "junk"; readonly reason: string }
  | { readonly kind: "quarantine"; readonly reason: string }
  | { readonly kind: "reject"; readonly code?: number; readonly status: string; readonly text: string }
  | { readonly kind: "tempfail"; readonly code?: number; readonly status: string; readonly text: string };

export interface Reverse {
  readonly result: "pass" | "fail" | "temperror";
  /** The name that led back, or else the first one. */
  readonly name: string | undefined;
}

/** Facts of one message, each found at most once, at first use. */
export interface Facts {
  /** The server's own name. */
  readonly hostname: string;
  headers(): Promise<Headers>;
  /** The message's text, links and attachments. */
  readable(): Promise<Readable>;
  /** Whether the client's address has a name that leads back to it (iprev, RFC 8601 §3); undefined for one of a private network. */
  reverse(): Promise<Reverse | undefined>;
  spf(): Promise<SpfResult>;
  /** A result for each signature, in the order they stand. */
  dkim(): Promise<readonly DkimResult[]>;
  arc(): Promise<ArcResult>;
  /** Or why there is no single author domain to look a policy up for (RFC 9989 §5.3.1). */
  dmarc(): Promise<DmarcResult | "no From" | "several From" | "no address" | "several domains">;
}
