/** The engine's own errors: a short closed list, each message naming what was wrong, where, and the way out. */

export type EngineErrorCode =
  /** Another operation holds the stack. */
  | "locked"
  /** The state file cannot be read or contradicts itself. Nothing was written. */
  | "state-damaged"
  /** The passphrase does not open the stack's secrets. */
  | "wrong-passphrase"
  /** No passphrase is set where one is needed. */
  | "no-passphrase"
  /** Pulumi.yaml or Pulumi.<stack>.yaml is missing, unreadable or does not fit its schema. */
  | "config"
  /** The stack does not exist. */
  | "no-stack"
  /** The program asks for something only the Pulumi CLI has. */
  | "unsupported";

export class EngineError extends Error {
  override readonly name = "EngineError";
  readonly code: EngineErrorCode;

  constructor(code: EngineErrorCode, message: string, options?: ErrorOptions) {
    super(message, options);
    this.code = code;
  }
}

/** What an error says to a person. */
export const messageOf = (error: unknown): string => (error instanceof Error ? error.message : String(error));

/** Errors of the language: a fault of a program, for which its stack is what helps. */
const FAULTS = ["Error", "TypeError", "ReferenceError", "RangeError", "SyntaxError", "AssertionError"];

/**
 * What to show of an error: the message where somebody made it for a person, which an error with a name of its own
 * or a code says, and the stack of a fault.
 */
export function textOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  const isFault = FAULTS.includes(error.name) && !("code" in error);
  return isFault ? (error.stack ?? error.message) : error.message;
}
