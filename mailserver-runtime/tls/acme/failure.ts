/** How ordering a certificate fails: a closed list, with what the authority said. */

/**
 * - `unreachable`: no answer, or not within the time.
 * - `rate-limited`: the authority wants to be left alone for a while (RFC 8555 §6.6).
 * - `challenge`: it could not see the proof of control; says which name, and what it saw.
 * - `refused`: any other refusal: policy (CAA), account, name.
 * - `nonsense`: an answer that is not ACME, or a certificate that cannot be used.
 * - `publish`: the proof could not be put where the authority looks.
 */
export type AcmeFailureCode =
  | "unreachable"
  | "rate-limited"
  | "challenge"
  | "refused"
  | "nonsense"
  | "publish";

export class AcmeFailure extends Error {
  override name = "AcmeFailure";
  readonly code: AcmeFailureCode;
  /** The authority's wish, in milliseconds from now. */
  readonly retryAfterMs: number | undefined;
  constructor(code: AcmeFailureCode, message: string, retryAfterMs?: number) {
    super(message);
    this.code = code;
    this.retryAfterMs = retryAfterMs;
  }
}

/** Whatever was thrown, as one of the list. acme-client's own errors are those of answers it cannot use. */
export function acmeFailure(error: unknown): AcmeFailure {
  if (error instanceof AcmeFailure) return error;
  return new AcmeFailure("nonsense", error instanceof Error ? error.message : String(error));
}

const kinds: Readonly<Record<string, AcmeFailureCode>> = {
  rateLimited: "rate-limited",
  incorrectResponse: "challenge",
  connection: "challenge",
  dns: "challenge",
  tls: "challenge",
  unauthorized: "challenge",
  serverInternal: "unreachable",
};
const PREFIX = "urn:ietf:params:acme:error:";

/** A problem document (RFC 8555 §6.7) as a failure; undefined where it is none. */
export function problemFailure(document: unknown, retryAfterMs?: number): AcmeFailure | undefined {
  if (typeof document !== "object" || document === null) return undefined;
  const { type, detail } = document as { readonly type?: unknown; readonly detail?: unknown };
  if (typeof type !== "string" || !type.startsWith(PREFIX)) return undefined;
  const kind = type.slice(PREFIX.length);
  const text = typeof detail === "string" ? detail.slice(0, 500) : "no detail";
  return new AcmeFailure(
    Object.hasOwn(kinds, kind) ? kinds[kind]! : "refused",
    `the authority says ${kind}: ${text}`,
    retryAfterMs,
  );
}
