/** What one SMTP client may use of this server's time and memory. */
export interface SmtpLimits {
  /** Wait for the next command, milliseconds (RFC 5321 §4.5.3.2.7: at least 5 minutes). */
  readonly commandMs: number;
  /** Wait for the next bytes of a message (RFC 5321 §4.5.3.2.5: 3 minutes). */
  readonly dataMs: number;
  /** A message may take this long plus its size at `slowestBytesPerSecond`; a byte now and then is an attack. */
  readonly messageMs: number;
  readonly slowestBytesPerSecond: number;
  /** Longest command line without CRLF; extensions add to the 510 of RFC 5321 §4.5.3.1.4. */
  readonly commandLine: number;
  /** Longest line of AUTH (RFC 4954 §4). */
  readonly authLine: number;
  /** Longest line of a message; RFC 5321 §4.5.3.1.6 allows 998, mail in the field has far longer ones. */
  readonly messageLine: number;
  /** Errors of one connection before it ends; from half of them on each reply waits `errorDelayMs`. */
  readonly errors: number;
  readonly errorDelayMs: number;
  /** Commands that lead to no mail (NOOP, RSET, HELO ...) before each counts as an error. */
  readonly idleCommands: number;
  /** Failed logins of one connection. */
  readonly failedLogins: number;
  /** Messages of one connection (RFC 9422 MAILMAX). */
  readonly messages: number;
  /** Received fields before a message is in a loop (RFC 5321 §6.3). */
  readonly hops: number;
}

export const defaultSmtpLimits: SmtpLimits = {
  commandMs: 300_000,
  dataMs: 180_000,
  messageMs: 600_000,
  slowestBytesPerSecond: 1024,
  commandLine: 4096,
  authLine: 12_288,
  messageLine: 1_048_576,
  errors: 20,
  errorDelayMs: 1000,
  idleCommands: 100,
  failedLogins: 3,
  messages: 10_000,
  hops: 100,
};
