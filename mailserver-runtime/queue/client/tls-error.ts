/** A connection that is not as safe as it has to be: a ClientError of problem "tls" that says why in RFC 8460's terms. */
import type { TlsFailure } from "./tls-policy.ts";
import { ClientError } from "./wire.ts";

export class TlsError extends ClientError {
  override name = "TlsError";
  readonly failure: TlsFailure;
  constructor(failure: TlsFailure, message: string) {
    super("tls", message);
    this.failure = failure;
  }
}

/** What went wrong with TLS; undefined where the trouble is another. A broken handshake is a "validation-failure". */
export function tlsFailureOf(error: unknown): TlsFailure | undefined {
  if (error instanceof TlsError) return error.failure;
  if (error instanceof ClientError && error.problem === "tls")
    return { type: "validation-failure", text: error.message };
  return undefined;
}
