/** What a client can do to be banned for: typed events that the servers report, and the jail that counts each. */

import type { Protocol } from "../settings/schema.ts";

/** docker-mailserver's jails, by the names its administrators know: IMAP and its kin, SMTP, and what a person bans. */
export const jails = ["custom", "dovecot", "postfix"] as const;
export type Jail = (typeof jails)[number];

/**
 * Every kind of offence: who counts it, how much of `maxRetry` it is, and its name in a reason. What honest
 * servers do by mistake counts little: a big provider writes to people who have left.
 */
export const offenceKinds = {
  "login-failed-imap": { jail: "dovecot", weight: 1, title: "failed login" },
  "login-failed-pop3": { jail: "dovecot", weight: 1, title: "failed login" },
  "login-failed-sieve": { jail: "dovecot", weight: 1, title: "failed login" },
  "login-failed-smtp": { jail: "postfix", weight: 1, title: "failed login" },
  "imap-abuse": { jail: "dovecot", weight: 1, title: "nonsense in the place of IMAP commands" },
  "unknown-recipient": { jail: "postfix", weight: 0.1, title: "mail to unknown recipients" },
  "relay-attempt": { jail: "postfix", weight: 1, title: "relaying without a login" },
  // A forwarder passes on what its users get; who sends nothing else is caught all the same.
  spam: { jail: "postfix", weight: 0.2, title: "mail refused as spam" },
  "early-talker": { jail: "postfix", weight: 1, title: "talking before the greeting" },
  "bare-lf": { jail: "postfix", weight: 0.5, title: "lines that end in a bare LF" },
  pipelining: { jail: "postfix", weight: 1, title: "commands before their reply" },
  "foreign-protocol": { jail: "postfix", weight: 2, title: "another protocol than SMTP" },
  smuggling: { jail: "postfix", weight: 2, title: "a message with two ends (SMTP smuggling)" },
  "line-too-long": { jail: "postfix", weight: 1, title: "a command line without end" },
  slow: { jail: "postfix", weight: 0.5, title: "a connection kept open byte by byte" },
  "too-many-errors": { jail: "postfix", weight: 1, title: "too many errors" },
  // An office behind one address reaches the limit now and then; who keeps knocking at it is none.
  "connections-smtp": { jail: "postfix", weight: 0.1, title: "too many connections" },
  "connections-mailbox": { jail: "dovecot", weight: 0.1, title: "too many connections" },
} as const satisfies Record<string, { jail: Jail; weight: number; title: string }>;
export type OffenceKind = keyof typeof offenceKinds;

const mailboxProtocols: ReadonlySet<Protocol> = new Set(["imap", "imaps", "pop3", "pop3s", "managesieve"]);
/** What a client over its limit of connections did, by the protocol it wanted to speak. */
export const tooManyConnections = (protocol: Protocol): OffenceKind =>
  mailboxProtocols.has(protocol) ? "connections-mailbox" : "connections-smtp";

export interface Offence {
  readonly kind: OffenceKind;
  /** The client's IP address. */
  readonly client: string;
  /** The login or the recipient that it tried, for the lines that fail2ban reads. */
  readonly about?: string;
}
/** Takes offences; never throws, never waits. */
export type Offend = (offence: Offence) => void;
