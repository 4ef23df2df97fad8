/** The state of one SMTP connection (RFC 5321 §4.1.4), and what its commands share. */
import type { OffenceKind } from "../ban/offence.ts";
import type { Snapshot } from "../config/snapshot.ts";
import type { SpoolWriter } from "../message/spooled-content.ts";
import type { Connection } from "../net/connection.ts";
import type { Log } from "../net/log.ts";
import type { Route } from "../routing/route.ts";
import type { DataScanner } from "./data-scanner.ts";
import { defaultSmtpLimits, type SmtpLimits } from "./limits.ts";
import type { MailParameters, ParameterContext, RecipientParameters } from "./parameters.ts";
import type { Reply } from "./reply.ts";
import type { SmtpServices } from "./services.ts";

/** "mx": mail from anywhere to this host's recipients. "submission": mail of this host's users (RFC 6409). "lmtp": RFC 2033. */
export type SmtpMode = "mx" | "submission" | "lmtp";

/** One mail transaction: from MAIL until its message is decided or RSET. */
export interface Transaction {
  /** Stands in the reply to the message and in each of its log lines. */
  readonly id: string;
  /** Reverse-path without angle brackets, "" for null. */
  readonly from: string;
  readonly parameters: MailParameters;
  /** Largest message in bytes. */
  readonly sizeLimit: number;
  /** One truth from MAIL to the end, whatever is reloaded meanwhile. */
  readonly snapshot: Snapshot;
  readonly recipients: AcceptedRecipient[];
  /** Whom an earlier RCPT of the transaction named already. */
  readonly seen: Set<string>;
  bdat?: MessageInProgress;
}
export interface AcceptedRecipient {
  /** As RCPT gave it. */
  readonly address: string;
  readonly routes: readonly Exclude<Route, { readonly kind: "refused" }>[];
  readonly parameters: RecipientParameters;
}
/** A message that is being received. */
export interface MessageInProgress {
  readonly writer: SpoolWriter;
  readonly scanner: DataScanner;
  /** Bytes that came, kept or not. */
  received: number;
  /** What the message will be answered with once it has been read; its bytes are no longer kept. */
  refusal: Reply | undefined;
  readonly startedAt: number;
}

export class Session {
  readonly connection: Connection;
  readonly mode: SmtpMode;
  readonly services: SmtpServices;
  readonly limits: SmtpLimits;
  /** HELO, EHLO or LHLO argument; undefined before it. */
  helo: string | undefined;
  /** EHLO or LHLO was said: extensions may be used. */
  extended = false;
  /** Who has logged in. */
  account: string | undefined;
  transaction: Transaction | undefined;
  errors = 0;
  idleCommands = 0;
  failedLogins = 0;
  messages = 0;
  #log: Log | undefined;
  #transactions = 0;

  constructor(connection: Connection, mode: SmtpMode, services: SmtpServices) {
    this.connection = connection;
    this.mode = mode;
    this.services = services;
    this.limits = { ...defaultSmtpLimits, ...services.limits };
  }

  /** The log with this session's fields; made when there is something to say, since most connections idle. */
  get log(): Log {
    const { connection, mode, services } = this;
    this.#log ??= services.log.child({ session: connection.id, client: connection.remote.address, mode });
    return this.#log;
  }

  now(): number {
    return this.services.now?.() ?? Date.now();
  }
  /** What decides about the parameters of MAIL and RCPT. */
  parameterContext(): ParameterContext {
    return {
      mode: this.mode,
      secure: this.connection.tls !== undefined,
      now: this.now(),
      longestHoldSeconds: this.services.snapshot().settings.submission.futureReleaseSeconds,
    };
  }
  /** Sends a reply; it leaves with the others of this turn. */
  say(reply: Reply): void {
    this.connection.write(reply.wire);
  }
  /** Tells self-defence of a client that has not logged in; LMTP's clients are ours. */
  offend(kind: OffenceKind, about?: string): void {
    if (this.mode === "lmtp" || this.account !== undefined) return;
    const client = this.connection.remote.address;
    this.services.offend?.({ kind, client, ...(about !== undefined && { about }) });
  }
  /** A breach of the protocol that no honest client commits: self-defence hears of it, and it is a line in the log. */
  abuse(kind: OffenceKind, { code }: Reply): void {
    this.offend(kind);
    this.log.warn({ event: "smtp-offence", offence: kind, code }, "protocol abuse");
  }
  nextTransactionId(): string {
    return `${this.connection.id}-${(++this.#transactions).toString(36)}`;
  }
  /** Ends the transaction, if there is one, and forgets what of its message has come. */
  async reset(): Promise<void> {
    const { transaction } = this;
    this.transaction = undefined;
    await transaction?.bdat?.writer.discard();
  }
  /** Forgets what the client said before TLS (RFC 3207 §4.2). */
  forgetClient(): void {
    this.helo = undefined;
    this.extended = false;
    this.account = undefined;
  }
}
