/** What a server offers in its EHLO answer (RFC 5321 §4.1.1.1), as far as this client makes use of it. */
import type { Reply } from "./reply.ts";

export interface Extensions {
  /** RFC 2920 */
  readonly pipelining: boolean;
  /** RFC 6152 */
  readonly eightBitMime: boolean;
  /** RFC 6531 */
  readonly smtpUtf8: boolean;
  /** RFC 3461 */
  readonly dsn: boolean;
  /** RFC 3207 */
  readonly startTls: boolean;
  /** RFC 8689 */
  readonly requireTls: boolean;
  /** RFC 1870: 0 is "no fixed limit"; undefined: the extension is not offered. */
  readonly size: number | undefined;
  /** RFC 4954: mechanisms in upper case. */
  readonly auth: ReadonlySet<string>;
  /** RFC 9422 RCPTMAX, else the 100 that every server takes (RFC 5321 §4.5.3.1.8). */
  readonly recipientLimit: number;
  /** RFC 9422 RCPTDOMAINMAX: different domains among the recipients of one transaction. */
  readonly recipientDomainLimit: number;
  /** RFC 9422 MAILMAX: transactions of one session. */
  readonly transactionLimit: number;
}

const STANDARD_RECIPIENTS = 100;

/** A server that only knows HELO. */
export const noExtensions: Extensions = {
  pipelining: false,
  eightBitMime: false,
  smtpUtf8: false,
  dsn: false,
  startTls: false,
  requireTls: false,
  size: undefined,
  auth: new Set(),
  recipientLimit: STANDARD_RECIPIENTS,
  recipientDomainLimit: Number.POSITIVE_INFINITY,
  transactionLimit: Number.POSITIVE_INFINITY,
};

/** Reads the lines after the first. What is not understood is passed over (RFC 5321 §4.1.1.1). */
export function extensionsOf(reply: Reply): Extensions {
  const offered = new Map<string, string>();
  for (const line of reply.lines.slice(1)) {
    // Old Exchange servers wrote AUTH=LOGIN.
    const [, keyword = "", parameters = ""] = /^([A-Za-z0-9-]+)[ =]?(.*)$/.exec(line.trim()) ?? [];
    const key = keyword.toUpperCase();
    offered.set(key, key === "AUTH" ? `${offered.get(key) ?? ""} ${parameters}` : parameters);
  }
  const size = offered.get("SIZE");
  const limits = offered.get("LIMITS") ?? "";
  return {
    pipelining: offered.has("PIPELINING"),
    eightBitMime: offered.has("8BITMIME"),
    smtpUtf8: offered.has("SMTPUTF8"),
    dsn: offered.has("DSN"),
    startTls: offered.has("STARTTLS"),
    requireTls: offered.has("REQUIRETLS"),
    size: size === undefined ? undefined : /^\d{1,15}$/.test(size) ? Number(size) : 0,
    auth: new Set((offered.get("AUTH") ?? "").toUpperCase().split(/\s+/).filter(Boolean)),
    recipientLimit: limitOf(limits, "RCPTMAX") ?? STANDARD_RECIPIENTS,
    recipientDomainLimit: limitOf(limits, "RCPTDOMAINMAX") ?? Number.POSITIVE_INFINITY,
    transactionLimit: limitOf(limits, "MAILMAX") ?? Number.POSITIVE_INFINITY,
  };
}

function limitOf(limits: string, name: string): number | undefined {
  const found = new RegExp(`(?:^|\\s)${name}=([1-9][0-9]{0,5})(?:\\s|$)`, "i").exec(limits)?.[1];
  return found === undefined ? undefined : Number(found);
}
