/**
 * Replies: code (RFC 5321 §4.2), enhanced status code (RFC 3463, in front of the text as RFC 2034 has it) and
 * text. Those that carry nothing of the moment stand in one table with their bytes ready.
 */
import type { Refusal } from "../routing/route.ts";

export interface Reply {
  readonly code: number;
  /** Undefined where none belongs: greeting, EHLO, 354 and 334 (RFC 2034 §4). */
  readonly status: string | undefined;
  /** As it goes over the wire, with its CRLF. */
  readonly wire: string;
  /** The connection ends after this reply. */
  readonly closes: boolean;
}

/** A reply of one or several lines; what is not printable in `lines` becomes "?", so that nothing a client sent makes a line. */
export function reply(code: number, status: string | undefined, ...lines: readonly string[]): Reply {
  const prefix = status === undefined ? "" : `${status} `;
  const last = lines.length - 1;
  const wire = lines
    .map((line, index) => `${code}${index === last ? " " : "-"}${prefix}${printable(line)}\r\n`)
    .join("");
  return { code, status, wire, closes: false };
}
/** The same reply, after which the connection ends. */
export function closing(last: Reply): Reply {
  return { ...last, closes: true };
}
export function refusalReply(refusal: Refusal): Reply {
  return reply(refusal.code, refusal.status, refusal.text);
}
/** Whether a message was answered for each recipient by itself. */
export function isSeveral(answer: Reply | readonly Reply[]): answer is readonly Reply[] {
  return Array.isArray(answer);
}
function printable(text: string): string {
  // RFC 5321 §4.5.3.1.5: 512 octets with code and CRLF.
  return text.replace(/[\p{Cc}\p{Cs}]/gu, "?").slice(0, 480);
}

/** Replies that are always the same. */
export const replies = {
  ok: reply(250, "2.0.0", "Ok"),
  senderOk: reply(250, "2.1.0", "Ok"),
  recipientOk: reply(250, "2.1.5", "Ok"),
  bye: closing(reply(221, "2.0.0", "Bye")),
  startTls: reply(220, "2.0.0", "Ready to start TLS"),
  authenticated: reply(235, "2.7.0", "Authentication successful"),
  verify: reply(252, "2.1.5", "Cannot VRFY user, but will take mail for it"),
  help: reply(214, "2.0.0", "See RFC 5321"),
  startMail: reply(354, undefined, "End data with <CR><LF>.<CR><LF>"),

  timeout: closing(reply(421, "4.4.2", "Timeout; closing connection")),
  shutdown: closing(reply(421, "4.3.2", "Server is going down; try again later")),
  tooManyErrors: closing(reply(421, "4.7.0", "Too many errors; closing connection")),
  tooManyMessages: closing(reply(421, "4.7.0", "Too many messages on this connection; open another one")),
  internal: reply(451, "4.3.0", "Internal error; try again later"),
  storeFailed: reply(451, "4.3.0", "Mail store is not available; try again later"),
  noSpace: reply(452, "4.3.1", "Insufficient system storage; try again later"),
  tooManyRecipients: reply(452, "4.5.3", "Too many recipients"),
  mailboxFull: reply(552, "5.2.2", "Mailbox is full"),
  mailboxFullNow: reply(452, "4.2.2", "Mailbox is full; try again later"),
  sendingLimit: reply(451, "4.7.1", "Sending limit reached; try again later"),
  loginUnavailable: reply(454, "4.7.0", "Authentication is not available now; try again later"),
  tlsUnavailable: reply(454, "4.7.0", "TLS is not available"),

  lineTooLong: closing(reply(500, "5.5.2", "Line too long")),
  bareLineFeed: closing(reply(521, "5.5.2", "Bare <LF> received; lines end in <CR><LF>")),
  unknownCommand: reply(500, "5.5.2", "Command unrecognized"),
  syntax: reply(501, "5.5.4", "Syntax error in parameters"),
  noParameters: reply(501, "5.5.4", "This command takes no parameters"),
  badSender: reply(501, "5.1.7", "Bad sender address syntax"),
  badRecipient: reply(501, "5.1.3", "Bad recipient address syntax"),
  badBase64: reply(501, "5.5.2", "Cannot decode base64"),
  authAborted: reply(501, "5.7.0", "Authentication aborted"),
  notImplemented: reply(502, "5.5.1", "Command not implemented"),
  helloFirst: reply(503, "5.5.1", "Send HELO or EHLO first"),
  mailFirst: reply(503, "5.5.1", "Need MAIL command"),
  recipientFirst: reply(503, "5.5.1", "Need RCPT command"),
  nestedMail: reply(503, "5.5.1", "Nested MAIL command"),
  inBdat: reply(503, "5.5.1", "BDAT in progress; send BDAT or RSET"),
  tlsActive: reply(503, "5.5.1", "TLS is already active"),
  alreadyAuthenticated: reply(503, "5.5.1", "Already authenticated"),
  authInTransaction: reply(503, "5.5.1", "AUTH is not possible during a mail transaction"),
  pipelining: closing(reply(503, "5.5.0", "Improper use of SMTP command pipelining")),
  unknownMechanism: reply(504, "5.5.4", "Unrecognized authentication mechanism"),
  authRequired: reply(530, "5.7.0", "Authentication required"),
  tlsRequired: reply(530, "5.7.0", "Must issue a STARTTLS command first"),
  requireTlsInClear: reply(530, "5.7.10", "REQUIRETLS needs a session with TLS"),
  badCredentials: reply(535, "5.7.8", "Authentication credentials invalid"),
  accountDisabled: reply(535, "5.7.13", "This account is disabled"),
  authNeedsTls: reply(538, "5.7.11", "Encryption required for authentication"),
  unknownParameter: reply(555, "5.5.4", "Unsupported parameter"),
  utf8Required: reply(553, "5.6.7", "This address needs SMTPUTF8"),
  unconfirmedName: reply(450, "4.7.25", "The name of your address is not confirmed by its own addresses"),
  senderTakesNoMail: reply(550, "5.7.27", "The sender's domain takes no mail (null MX)"),
  relayDenied: reply(554, "5.7.1", "Relay access denied"),
  tooLarge: reply(552, "5.3.4", "Message size exceeds fixed limit"),
  largerThanQuota: reply(552, "5.2.2", "Message is larger than the mailbox"),
  bareCr: reply(554, "5.6.0", "Message has a bare <CR>; lines end in <CR><LF>"),
  bareLf: reply(554, "5.6.0", "Message has a bare <LF>; lines end in <CR><LF>"),
  hiddenEnd: reply(554, "5.6.0", "Message has a line that is a lone dot but for its NULs"),
  longLine: reply(554, "5.6.0", "Message has a line that is too long"),
  headerTooLarge: reply(552, "5.3.4", "Header section is too large"),
  loop: reply(554, "5.4.6", "Too many hops; mail loop"),
  noFrom: reply(554, "5.6.0", "Message needs exactly one From field with an address"),
  unsigned: reply(554, "5.7.20", "No DKIM key for the domain in From; this server sends no unsigned mail"),
  spam: reply(550, "5.7.1", "Message refused as spam"),
  quarantineFull: reply(
    452,
    "4.3.1",
    "The quarantine that this message belongs into is full; try again later",
  ),
  earlyTalker: closing(reply(554, "5.5.1", "Client spoke before the greeting")),
} as const satisfies Record<string, Reply>;
