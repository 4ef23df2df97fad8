/**
 * One client's session: who it is, what it has selected, what it enabled, and the means commands share.
 *
 * It holds state and writes answers; what a command does is in `commands/`, how bytes become a command in
 * `command-reader.ts`, and the loop around both in `serve.ts`.
 */
import type { Authenticator } from "../auth/authenticator.ts";
import { passwordOffer, type SaslOffer } from "../auth/sasl-offer.ts";
import type { Offend } from "../ban/offence.ts";
import type { Sorted } from "../learning/lesson.ts";
import type { SpoolOptions } from "../message/spooled-content.ts";
import type { Connection } from "../net/connection.ts";
import type { Log } from "../net/log.ts";
import type { AccountStore, MailStore } from "../store/mail-store.ts";
import type { QuotaLimits } from "../store/quota.ts";
import { UserMailboxes } from "./access/user-mailboxes.ts";
import type { CompressedConnection } from "./compressed-connection.ts";
import type { Cursor } from "./grammar/cursor.ts";
import { decodeMailboxName, encodeMailboxName, MailboxNameError } from "./grammar/mailbox-name.ts";
import type { ImapLimits } from "./limits.ts";
import type { Notifier } from "./notifier.ts";
import { Output } from "./output.ts";
import type { SearchContexts } from "./search/contexts.ts";
import type { Selected } from "./selected.ts";

/** RFC 9051 §3. */
export type State = "not-authenticated" | "authenticated" | "selected" | "logout";

export interface ImapDependencies {
  readonly store: MailStore;
  readonly authenticator: Authenticator;
  /** SASL mechanisms beside passwords; without it PLAIN and LOGIN. */
  readonly sasl?: SaslOffer;
  /** The server's name, in the greeting. */
  readonly hostname: string;
  readonly log: Log;
  /** A certificate is there, so a plain connection may begin TLS. Default true. */
  readonly startTls?: boolean;
  /** What differs from `defaultLimits`; `message` is the setting message.sizeLimit. */
  readonly limits?: Partial<ImapLimits>;
  /** Where large arriving messages wait for the store; without it they wait in memory. */
  readonly spool?: SpoolOptions;
  /** What an account may hold, asked anew each time; without it nothing is limited and QUOTA is not told. */
  readonly quota?: (account: string) => QuotaLimits;
  /** Bytes that the accounts of an account's domain may use together; 0 or absent is no ceiling. */
  readonly domainQuota?: (account: string) => number;
  /** Whether an account still has a user; one that was removed shares nothing. Default: all do. */
  readonly isActive?: (account: string) => boolean;
  /** Names of the groups an account belongs to, asked anew each time (RFC 4314 §2); default: none. */
  readonly groupsOf?: (account: string) => readonly string[];
  /** `ban/bans.ts`: hears of clients that speak no IMAP. */
  readonly offend?: Offend;
  /** Hears where messages were moved or copied to, and how they were marked; returns at once (`learning/`). */
  readonly onSorted?: (sorted: Sorted) => void;
  /** Whether the disk has room for so many bytes of new mail; default: always. */
  readonly hasRoomFor?: (bytes: number) => boolean;
  /**
   * Where the account that a client has logged in to is another process's (DESIGN D7): what serves the session from the
   * answer to the login on, to its end. undefined: it is served here. Throws StoreError.
   */
  readonly elsewhere?: (account: string, connection: Connection) => Promise<Elsewhere | undefined>;
  /** Told when COMPRESS begins: nobody but the session can write to the client from then on. */
  readonly onCompressed?: () => void;
}
export type Elsewhere = () => Promise<void>;
/** A client that logged in at another process, which relays the connection from there on. */
export interface LoggedIn {
  readonly account: AccountStore;
}

/** What a client asked to be told in a new way (RFC 5161). */
export interface Enabled {
  condstore: boolean;
  qresync: boolean;
  /** RFC 9051. */
  rev2: boolean;
  /** RFC 6855. */
  utf8: boolean;
  /** RFC 9586: messages are told and named by UID alone. */
  uidOnly: boolean;
}

/** No mailbox has a control character in its name. */
const MATCHES_NOTHING = "\0";

const nothingEnabled = (): Enabled => ({
  condstore: false,
  qresync: false,
  rev2: false,
  utf8: false,
  uidOnly: false,
});

export class Session {
  connection: Connection;
  readonly dependencies: ImapDependencies;
  readonly limits: ImapLimits;
  readonly out: Output;
  log: Log;
  state: State = "not-authenticated";
  /** Every mailbox the user can name. */
  account: UserMailboxes | undefined;
  selected: Selected | undefined;
  enabled: Enabled = nothingEnabled();
  /** UIDs of the last SEARCH RETURN (SAVE) (RFC 5182). */
  saved: readonly number[] = [];
  /** Searches of the selected mailbox that go on (RFC 5267). */
  contexts: SearchContexts | undefined;
  /** Of the command that runs now. */
  tag = "*";
  failedLogins = 0;
  /** A command is being run. */
  busy = false;
  /** It is IDLE, which waits for what others do. */
  idling = false;
  /** What NOTIFY asked for (RFC 5465); without it changes are told at the end of commands and in IDLE. */
  notifier: Notifier | undefined;
  /** COMPRESS is active (RFC 4978). */
  compressed: CompressedConnection | undefined;
  /** When an unauthenticated client must have logged in (milliseconds since the epoch). */
  loginDeadline: number;
  /** The announcement of a message literal that still is on the wire, for the command that takes it. */
  readonly wire: Wire;

  constructor(connection: Connection, dependencies: ImapDependencies, limits: ImapLimits, wire: Wire) {
    this.connection = connection;
    this.dependencies = dependencies;
    this.limits = limits;
    this.wire = wire;
    this.out = new Output(connection, limits.writeTimeout);
    this.log = this.#ownLog();
    this.loginDeadline = Date.now() + limits.loginTimeout;
  }

  /** Bytes go through `connection` from now on: what compresses stands around the one before. */
  speakThrough(connection: CompressedConnection): void {
    this.connection = connection;
    this.out.speakThrough(connection);
    this.wire.speakThrough(connection);
    this.compressed = connection;
    this.dependencies.onCompressed?.();
  }

  /** The client has logged in; the account is released with the session. */
  enter(own: AccountStore): void {
    const { store, isActive, groupsOf } = this.dependencies;
    const groups = groupsOf && (() => groupsOf(own.address));
    this.account = new UserMailboxes({ store, own, isActive, groups });
    this.state = "authenticated";
    this.failedLogins = 0;
    this.log = this.log.child({ account: own.address });
  }

  /** SASL mechanisms that may be used. */
  get sasl(): SaslOffer {
    return this.dependencies.sasl ?? passwordOffer;
  }

  /** How long to wait for the client's next bytes now. */
  get patience(): number {
    if (this.state !== "not-authenticated") return this.limits.idleTimeout;
    return Math.max(1, this.loginDeadline - Date.now());
  }

  /** The account; commands that need one are not allowed before login. */
  get mail(): UserMailboxes {
    if (!this.account) throw new Error("a command that needs an account ran before login");
    return this.account;
  }

  /** The selected mailbox; commands that need one are not allowed without. */
  get box(): Selected {
    if (!this.selected) throw new Error("a command that needs a mailbox ran without one");
    return this.selected;
  }

  /** Names travel as UTF-8 (RFC 6855 §3, RFC 9051 §5.1). */
  get unicode(): boolean {
    return this.enabled.utf8 || this.enabled.rev2;
  }

  /** A mailbox name argument. */
  mailboxName(cursor: Cursor): string {
    return decodeMailboxName(cursor.astring(), this.unicode, this.separator);
  }

  /** A mailbox pattern of LIST and LSUB; one that is no name matches no name. */
  mailboxPattern(cursor: Cursor): string {
    const bytes = cursor.listMailbox();
    try {
      return decodeMailboxName(bytes, this.unicode, this.separator);
    } catch (error) {
      if (error instanceof MailboxNameError) return MATCHES_NOTHING;
      throw error;
    }
  }

  /** Between the levels of this account's mailbox names. */
  get separator(): string {
    return this.account?.separator ?? "/";
  }

  /** The name with its children's separator at the end taken off (RFC 9051 §6.3.4). */
  withoutTrailingSeparator(name: string): string {
    return name.endsWith(this.separator) ? name.slice(0, -this.separator.length) : name;
  }

  /** Writes a mailbox name as this client reads it. */
  writeMailboxName(name: string): void {
    const bytes = encodeMailboxName(name, this.unicode);
    if (bytes.some((byte) => byte > 0x7e)) this.out.quotedUtf8(bytes);
    else this.out.astring(bytes);
  }

  /** Ends the selection, without expunging. */
  unselect(): void {
    this.contexts?.close();
    this.contexts = undefined;
    this.selected?.mailbox.release();
    this.selected = undefined;
    this.saved = [];
    if (this.state === "selected") this.state = "authenticated";
  }

  /** CONDSTORE is enabled by its first use (RFC 7162 §3.1). */
  enableCondstore(): void {
    if (this.enabled.condstore) return;
    this.enabled.condstore = true;
    if (this.selected) {
      this.out.text(
        `* OK [HIGHESTMODSEQ ${Math.max(1, this.selected.mailbox.view().highestModSeq)}] Highest\r\n`,
      );
    }
  }

  /** What starts behind the next tagged line: TLS, compression. */
  next: (() => Promise<void>) | undefined;

  async afterCompletion(): Promise<void> {
    const { next } = this;
    this.next = undefined;
    await next?.();
  }

  #ownLog(): Log {
    const { id, remote } = this.connection;
    return this.dependencies.log.child({ service: "imap", connection: id, client: remote.address });
  }

  /** As it was before login, with a new time to log in. */
  forgetUser(): void {
    this.#releaseAll();
    this.enabled = nothingEnabled();
    this.log = this.#ownLog();
    this.loginDeadline = Date.now() + this.limits.loginTimeout;
    this.state = "not-authenticated";
  }

  /** Frees everything; safe to call twice. */
  close(): void {
    this.#releaseAll();
    this.state = "logout";
  }

  #releaseAll(): void {
    this.notifier?.stop();
    this.notifier = undefined;
    this.unselect();
    this.account?.release();
    this.account = undefined;
  }
}

/** What a command may read from the client beyond its first bytes. */
export interface Wire {
  speakThrough(connection: Connection): void;
  /** Sends "+ text" and reads one line, at most `limit` bytes. */
  continuation(text: string, limit: number): Promise<Buffer>;
  /** The message literal announced where parsing stopped, if there is one. */
  readonly literal:
    | { readonly size: number; readonly nonSynchronizing: boolean; readonly binary: boolean }
    | undefined;
  /** Lets the client send its literal, and gives its bytes in chunks. */
  receive(take: (chunk: Buffer) => Promise<void>): Promise<void>;
  /** Reads and forgets what is left of the command on the wire; ends the connection where that is too long. */
  discard(): Promise<void>;
  /** Reads the command on, from behind the literal: a cursor over the rest up to the next message literal. */
  rest(): Promise<Cursor>;
}
