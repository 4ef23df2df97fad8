/**
 * The IMAP server: one call serves one connection (RFC 3501 IMAP4rev1, RFC 9051 IMAP4rev2).
 *
 * The room's parts, in the order bytes pass them: `command-reader` makes commands of lines and literals;
 * `grammar/` reads arguments; `commands/` has one file for each command, in one table; `session` holds what
 * a client has selected and enabled; `selected` keeps a client's sequence numbers and tells it what others
 * changed; `output` assembles answers as bytes.
 *
 * It promises: messages leave byte for byte as they are stored; no number changes its meaning while a
 * command speaks of it (RFC 9051 §7.5.1); nothing a client sends costs more than `limits` say; no password
 * is taken without TLS. It never holds a large message in memory, and never writes to the store except
 * through `store/mail-store.ts`.
 */
import { setTimeout as sleep } from "node:timers/promises";
import { type Connection, ConnectionError } from "../net/connection.ts";
import { StoreError, type StoreErrorCode } from "../store/mail-store.ts";
import { capabilities } from "./capabilities.ts";
import { BrokenAnswerError, CommandReader, FatalError, type Received } from "./command-reader.ts";
import { type Command, type Completion, no } from "./commands/command.ts";
import { findCommand } from "./commands/table.ts";
import { GrammarError } from "./grammar/cursor.ts";
import { MailboxNameError } from "./grammar/mailbox-name.ts";
import { CharsetError } from "./grammar/search-program.ts";
import { defaultLimits } from "./limits.ts";
import { type ImapDependencies, type LoggedIn, Session } from "./session.ts";
import { updateStyle } from "./update-style.ts";

/** Serves one client to the end of its connection, from its login on where it has logged in already; never rejects. */
export async function serveImap(
  connection: Connection,
  dependencies: ImapDependencies,
  loggedIn?: LoggedIn,
): Promise<void> {
  const limits = { ...defaultLimits, ...dependencies.limits };
  const send = (text: string) => {
    session.out.text(text);
    session.out.endAnswer();
  };
  const reader: CommandReader = new CommandReader({
    connection,
    limits,
    find: findCommand,
    refusal: (command, name) => refusal(session, command, name),
    write: send,
    patience: () => session.patience,
  });
  const session: Session = new Session(connection, dependencies, limits, reader);
  try {
    if (loggedIn !== undefined) session.enter(loggedIn.account);
    else send(`* OK [CAPABILITY ${capabilities(session)}] ${dependencies.hostname} ready\r\n`);
    await commandLoop(session, reader);
  } catch (error) {
    const bye = farewell(error);
    if (error instanceof BrokenAnswerError) {
      session.log.error({ event: "answer-broken", err: error }, error.message);
      session.connection.destroy();
    } else if (bye !== undefined && !session.connection.closed) send(`* BYE ${bye}\r\n`);
    if (error instanceof FatalError && !session.account && session.failedLogins === 0)
      dependencies.offend?.({ kind: "imap-abuse", client: connection.remote.address });
    if (!(error instanceof ConnectionError) && !(error instanceof FatalError)) {
      session.log.error(
        { event: "session-failed", err: error },
        "an IMAP session ended by an error of this server",
      );
    }
  } finally {
    session.close();
    session.connection.end();
    // Who listens ends the socket when this resolves; what compresses hands on its last bytes a little later.
    await session.compressed?.ended;
  }
}

/** For a session whose server failed behind this process's back. */
export function sayBye(connection: Connection): void {
  connection.write("* BYE [UNAVAILABLE] This session was cut off; connect again.\r\n");
}

async function commandLoop(session: Session, reader: CommandReader): Promise<void> {
  const { out, limits } = session;
  let badInRow = 0;
  let unauthenticated = 0;
  while (session.state !== "logout") {
    const received = await reader.next();
    if (session.state === "not-authenticated") {
      unauthenticated += 1;
      if (unauthenticated > limits.unauthenticatedCommands)
        throw new FatalError("Too many commands before login.");
    } else unauthenticated = 0;
    session.tag = received.tag;
    session.busy = true;
    const completion = received.refused ?? (await run(session, received));
    await reader.discard();
    if (session.selected && received.command) {
      if (received.command.expunges) session.contexts?.tellLeaving();
      session.selected.synchronize(out, updateStyle(session), received.command.expunges);
      await session.contexts?.tellChanges();
    }
    const code = completion.code ? `[${completion.code}] ` : "";
    out.text(`${received.tag} ${completion.status} ${code}${completion.text}\r\n`);
    out.endAnswer();
    badInRow = completion.status === "BAD" ? badInRow + 1 : 0;
    const allowed = session.account ? limits.badCommands : limits.badBeforeLogin;
    if (badInRow >= allowed) throw new FatalError("Too many commands that are none.");
    if (session.failedLogins >= limits.failedLogins) throw new FatalError("Too many failed logins.");
    // What a completion starts (TLS, compression) starts behind the tagged line.
    await session.afterCompletion();
    session.busy = false;
    session.notifier?.wake();
  }
}

async function run(session: Session, received: Received): Promise<Completion> {
  try {
    return await received.command!.execute(session, received.cursor);
  } catch (error) {
    if (error instanceof MailboxNameError) return no(`${received.name}: ${error.message}.`, "CANNOT");
    if (error instanceof GrammarError) {
      const { code } = error;
      return { status: "BAD", text: `${received.name}: ${error.message}.`, ...(code ? { code } : {}) };
    }
    if (error instanceof CharsetError) {
      return no("That charset is not known here.", "BADCHARSET (UTF-8 US-ASCII ISO-8859-1)");
    }
    if (error instanceof StoreError) return storeRefusal(error);
    if (error instanceof ConnectionError || error instanceof FatalError) throw error;
    session.log.error({ event: "command-failed", command: received.name, err: error }, "a command failed");
    // Not a busy loop for a client that repeats it.
    await sleep(100);
    return no("This server failed at that; the administrator's log says why.", "SERVERBUG");
  }
}

/** RFC 5530 codes of what the store refuses. */
const STORE_CODES: Record<StoreErrorCode, string> = {
  nonexistent: "NONEXISTENT",
  "no-permission": "NOPERM",
  "already-exists": "ALREADYEXISTS",
  cannot: "CANNOT",
  "over-quota": "OVERQUOTA",
  "no-space": "UNAVAILABLE",
  unavailable: "UNAVAILABLE",
  expunged: "EXPUNGEISSUED",
};

export function storeRefusal(error: StoreError): Completion {
  return no(oneLine(error.message), STORE_CODES[error.code]);
}

/** Text of others in a response line: printable ASCII, one line. */
function oneLine(text: string): string {
  return text.replace(/[^\x20-\x7e]+/g, "?").slice(0, 400) || "Refused.";
}

/** Commands that speak of messages by sequence number: refused with UIDONLY (RFC 9586 §3). */
const BY_NUMBER: ReadonlySet<string> = new Set([
  "FETCH",
  "STORE",
  "COPY",
  "MOVE",
  "SEARCH",
  "SORT",
  "THREAD",
  "REPLACE",
]);

function refusal(session: Session, command: Command | undefined, name: string): Received["refused"] {
  if (!command) {
    return { status: "BAD", text: `There is no command ${oneLine(name.slice(0, 40))}.` };
  }
  if (session.state !== "logout" && command.states.includes(session.state)) {
    if (!session.enabled.uidOnly || !BY_NUMBER.has(command.name)) return undefined;
    return { status: "BAD", code: "UIDREQUIRED", text: "Messages have no numbers here; name them by UID." };
  }
  const text =
    session.state === "not-authenticated"
      ? "Log in first."
      : command.states.includes("selected")
        ? "Select a mailbox first."
        : "You are logged in already.";
  return { status: "BAD", text };
}

/** The BYE of an ending that is not the client's own. */
function farewell(error: unknown): string | undefined {
  if (error instanceof FatalError) return error.message;
  if (!(error instanceof ConnectionError)) return "[SERVERBUG] This server failed.";
  const texts: Partial<Record<ConnectionError["code"], string>> = {
    timeout: "Autologout; nothing came for too long.",
    "line-too-long": "The line is too long.",
    shutdown: "[UNAVAILABLE] This server is stopping.",
  };
  return texts[error.code];
}
