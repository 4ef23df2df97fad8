import type { FailureCode } from "../../mailserver-runtime/admin/contract.ts";

/** Why a host did not do what was asked: what the host itself answers, or that it could not be asked. */
export type HostErrorCode =
  | FailureCode
  /** No connection, or no answer within the limit. */
  | "unreachable"
  /** The host is not who it was, or cannot prove it. */
  | "host-key"
  /** The machine is none this target can use: another system, another processor. */
  | "unsupported"
  /** The server did not become healthy. */
  | "unhealthy"
  /** An authority has not made a certificate yet, and none can come in time. */
  | "certificate-pending"
  /** Another process holds a port. */
  | "port-taken"
  /** The answer does not follow the contract: another version, most likely. */
  | "protocol";

/** The message names what failed, on which host, and the way out. It never carries a secret. */
export class HostError extends Error {
  override readonly name = "HostError";
  readonly code: HostErrorCode;

  constructor(code: HostErrorCode, message: string, options?: ErrorOptions) {
    super(message, options);
    this.code = code;
  }
}
