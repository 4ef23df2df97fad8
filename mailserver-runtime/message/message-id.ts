/**
 * Message identifiers (RFC 5322 §3.6.4): the time makes them sortable, 80 random bits make them unique, the host's name
 * says who made them.
 */
import { randomBytes } from "node:crypto";

/** `<time.random@hostname>`, with its angle brackets. */
export function newMessageId(hostname: string, now: number = Date.now()): string {
  return `<${now.toString(36)}.${randomBytes(10).toString("hex")}@${hostname}>`;
}
