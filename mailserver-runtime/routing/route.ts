/**
 * What routing answers for one recipient address. A value, made by a pure function of the snapshot: SMTP
 * asks at RCPT, bounces and Sieve redirects enter here again with their hop count.
 */
import type { Origin } from "../config/snapshot.ts";

export type Route =
  /** Local delivery; several after an alias with many targets. `detail` is what stood after the "+". */
  | {
      readonly kind: "local";
      readonly account: string;
      readonly detail?: string;
      readonly via: readonly Step[];
    }
  /** Leaves this host: `address` as it goes into RCPT TO of the next hop. */
  | {
      readonly kind: "remote";
      readonly address: string;
      /** An alias of ours leads there: anybody may send there, and the reverse-path is rewritten (SRS). */
      readonly forwarded: boolean;
      /** This host is the domain's backup MX: anybody may send there, and the mail waits so long for the primary. */
      readonly backup?: { readonly lifetimeSeconds: number };
      readonly via: readonly Step[];
    }
  | { readonly kind: "refused"; readonly refusal: Refusal; readonly via: readonly Step[] };

/** One step of the way, for `explain`: which entry of which file led here. */
export interface Step {
  readonly rule:
    | "account"
    | "alias"
    | "regexp alias"
    | "catch-all"
    | "plus-addressing"
    | "postmaster"
    | "forward"
    | "relay"
    | "local alias"
    | "backup MX"
    | "SRS";
  readonly from: string;
  readonly to: string;
  readonly origin?: Origin;
}
/** An SMTP refusal: reply code (RFC 5321), enhanced status (RFC 3463) and the sentence the client sees. */
export interface Refusal {
  readonly code: number;
  readonly status: string;
  readonly text: string;
}
