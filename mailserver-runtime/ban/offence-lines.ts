/**
 * Offences in the words of Postfix and Dovecot, for a fail2ban of the administrator's own: its stock filters `postfix`
 * (mode `aggressive`, and all but a few in docker-mailserver's `extra`) and `dovecot` read `offences.log` as it is.
 *
 * What a client said of itself (a login, an address) stands in a line only where it cannot make another client look like
 * the offender: without control characters, brackets and angle brackets.
 */
import type { Offence, offenceKinds } from "./offence.ts";

export interface LineContext {
  readonly hostname: string;
  readonly pid: number;
  /** Milliseconds since the epoch. */
  readonly now: number;
}
type Words = (client: string, about: string) => { readonly program: string; readonly text: string };

const smtpd = (text: string) => ({ program: "postfix/smtpd", text });
const postscreen = (text: string) => ({ program: "postfix/postscreen", text });
const login =
  (service: string, why = "auth failed, 1 attempts in 2 secs"): Words =>
  (client, about) => ({
    program: "dovecot",
    text: `${service}-login: Disconnected (${why}): user=<${about}>, method=PLAIN, rip=${client}`,
  });

const words: Readonly<Record<keyof typeof offenceKinds, Words>> = {
  "login-failed-imap": login("imap"),
  "login-failed-pop3": login("pop3"),
  "login-failed-sieve": login("managesieve"),
  "login-failed-smtp": (client, about) => ({
    program: "postfix/submission/smtpd",
    text: `warning: unknown[${client}]: SASL PLAIN authentication failed: authentication failure, sasl_username=${about}`,
  }),
  "imap-abuse": login("imap", "no auth attempts in 0 secs"),
  "unknown-recipient": (client, about) =>
    smtpd(
      `NOQUEUE: reject: RCPT from unknown[${client}]: 550 5.1.1 <${about}>: Recipient address rejected: User unknown in virtual mailbox table; to=<${about}>`,
    ),
  "relay-attempt": (client, about) =>
    smtpd(
      `NOQUEUE: reject: RCPT from unknown[${client}]: 554 5.7.1 <${about}>: Relay access denied; to=<${about}>`,
    ),
  spam: (client) =>
    smtpd(`NOQUEUE: milter-reject: END-OF-MESSAGE from unknown[${client}]: 5.7.1 Message refused as spam`),
  "early-talker": (client) => postscreen(`PREGREET 1 after 0 from [${client}]:25: EHLO`),
  "bare-lf": (client) =>
    smtpd(
      `NOQUEUE: reject: DATA from unknown[${client}]: 550 5.5.2 <DATA>: Data command rejected: bare <LF> received`,
    ),
  pipelining: (client) => smtpd(`improper command pipelining after EHLO from unknown[${client}]: MAIL`),
  "foreign-protocol": (client) => smtpd(`too many errors after UNKNOWN from unknown[${client}]`),
  smuggling: (client) =>
    smtpd(
      `NOQUEUE: reject: DATA from unknown[${client}]: 554 5.6.0 <DATA>: Data command rejected: two ends of data`,
    ),
  "line-too-long": (client) => postscreen(`COMMAND LENGTH LIMIT from [${client}]:25 after CONNECT`),
  slow: (client) => postscreen(`COMMAND TIME LIMIT from [${client}]:25 after CONNECT`),
  "too-many-errors": (client) => smtpd(`too many errors after RCPT from unknown[${client}]`),
  "connections-smtp": (client) =>
    smtpd(`warning: Connection concurrency limit exceeded: 50 from unknown[${client}] for service smtp`),
  "connections-mailbox": (client) => ({
    program: "dovecot",
    text: `imap-login: Maximum number of connections from user+IP exceeded: rip=${client}`,
  }),
};

/** One line with its line end, dated as rsyslog dates (RFC 5424 §6.2.3). */
export function offenceLine({ kind, client, about = "" }: Offence, context: LineContext): string {
  const { program, text } = words[kind](client, harmless(about));
  const at = new Date(context.now).toISOString().replace("Z", "000+00:00");
  return `${at} ${context.hostname.split(".")[0]} ${program}[${context.pid}]: ${text}\n`;
}

function harmless(said: string): string {
  return said.slice(0, 200).replace(/[^\x21-\x7e]|[[\]<>,]/g, "?");
}
