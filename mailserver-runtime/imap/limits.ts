/** What one connection may cost. Every number here has a test or a reason beside it. */
export interface ImapLimits {
  /** Bytes of one line (RFC 7162 §4 asks for 8192 at least; set names of large mailboxes need more). */
  readonly line: number;
  /** Bytes of one literal that is not a message. */
  readonly literal: number;
  /** Bytes of one command with its literals. */
  readonly command: number;
  /** Bytes of a message in APPEND: APPENDLIMIT (RFC 7889). */
  readonly message: number;
  /** Messages of one APPEND (RFC 3502). */
  readonly appendMessages: number;
  /** Milliseconds until a client must have logged in. */
  readonly loginTimeout: number;
  /** Milliseconds without a command until the session ends (RFC 9051 §5.4: at least 30 minutes). */
  readonly idleTimeout: number;
  /** Milliseconds the peer may take nothing of an answer. */
  readonly writeTimeout: number;
  /** Commands before login. */
  readonly unauthenticatedCommands: number;
  /** BAD answers in a row; before login few, as a browser made to talk here sends its header lines first. */
  readonly badCommands: number;
  readonly badBeforeLogin: number;
  /** Failed logins of one connection. */
  readonly failedLogins: number;
  /** Milliseconds the first failed login waits; each further one doubles it. */
  readonly failedLoginDelay: number;
  /** Milliseconds between signs of life in IDLE, for the address translators on the way. */
  readonly idleKeepAlive: number;
  /** Milliseconds between signs of life in a command that takes long (RFC 9585 §3: 10 to 15 seconds). */
  readonly progressInterval: number;
}

export const defaultLimits: ImapLimits = {
  // Below 64 KiB, where a connection stops reading ahead: a longer line must be seen to be refused.
  line: 65_000,
  literal: 64 * 1024,
  command: 256 * 1024,
  message: 10_240_000,
  appendMessages: 1000,
  loginTimeout: 60_000,
  idleTimeout: 30 * 60_000,
  writeTimeout: 5 * 60_000,
  unauthenticatedCommands: 50,
  badCommands: 20,
  badBeforeLogin: 5,
  failedLogins: 3,
  failedLoginDelay: 1000,
  idleKeepAlive: 120_000,
  progressInterval: 10_000,
};
