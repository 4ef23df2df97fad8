/**
 * An SMTP server's side of one connection: reception from anywhere (RFC 5321), submission by this host's
 * users (RFC 6409, RFC 8314) and LMTP (RFC 2033), by mode.
 *
 * The session reads a line, looks the verb up in the table of `commands/`, and sends what the command
 * answers. Commands keep to their own file: the state they share is `session.ts`, the message's bytes come
 * through `receive.ts`, and what becomes of a whole message is decided in `reception.ts` or `submission.ts`.
 *
 * It promises: a 250 to a message is sent when everything it acknowledges is durable; no byte a client sends
 * makes this throw, and what it takes is bounded by `limits.ts`. It never relays without a login, never
 * takes a login without TLS, and never reads one byte of a message as a command or the other way round:
 * where that could be in doubt the connection ends.
 */
import { setTimeout as sleep } from "node:timers/promises";
import { type Connection, ConnectionError } from "../net/connection.ts";
import type { Command } from "./command.ts";
import { commandsOf } from "./commands/table.ts";
import { parseCommandLine } from "./grammar.ts";
import { isMovable, resume, type SessionState, stateOf } from "./moving.ts";
import { closing, isSeveral, type Reply, replies, reply } from "./reply.ts";
import type { SmtpServices } from "./services.ts";
import { Session, type SmtpMode } from "./session.ts";

/** First words of HTTP and other protocols that a browser can be made to speak to this port (CVE-2001-1471's kind). */
const foreignVerb = /^(?:CONNECT|GET|POST|PUT|HEAD|OPTIONS|[A-Z-]+:)$/;

/**
 * Speaks SMTP until the connection ends or goes to another process; the caller ends the connection then. With `moved` the
 * session goes on where it was there. Rejects only for a mistake of ours.
 */
export async function serveSmtp(
  connection: Connection,
  options: SmtpServices & { readonly mode: SmtpMode },
  moved?: SessionState,
): Promise<void> {
  const session = new Session(connection, options.mode, options);
  try {
    if (moved !== undefined) resume(session, moved);
    if (moved !== undefined || (await greet(session))) await converse(session);
  } catch (error) {
    if (!(error instanceof ConnectionError)) throw error;
    if (error.code === "timeout") session.say(replies.timeout);
    else if (error.code === "shutdown") session.say(replies.shutdown);
    else if (error.code === "line-too-long") {
      session.abuse("line-too-long", replies.lineTooLong);
      session.say(replies.lineTooLong);
    } else if (error.code === "not-reading") session.abuse("slow", replies.timeout);
    session.log.debug({ event: "connection-end", reason: error.code });
  } finally {
    await session.reset();
  }
}

async function greet(session: Session): Promise<boolean> {
  const { connection } = session;
  const { settings } = session.services.snapshot();
  const { delayMs } = settings.greeting;
  if (delayMs > 0 && session.mode === "mx") {
    try {
      await connection.readChunk(1, delayMs);
      session.abuse("early-talker", replies.earlyTalker);
      session.say(replies.earlyTalker);
      return false;
    } catch (error) {
      if (!(error instanceof ConnectionError) || error.code !== "timeout") throw error;
    }
  }
  connection.write(`220 ${settings.hostname} ${session.mode === "lmtp" ? "LMTP" : "ESMTP"} mailkeep\r\n`);
  return true;
}

async function converse(session: Session): Promise<void> {
  const { connection, limits } = session;
  const commands = commandsOf[session.mode];
  const bareLf = { bareLf: true };
  const lineLimit = session.mode === "submission" ? limits.authLine : limits.commandLine;
  for (;;) {
    const line = await connection.readLine(lineLimit, limits.commandMs, bareLf);
    if (connection.lineEndedBare) {
      session.abuse("bare-lf", replies.bareLineFeed);
      session.say(replies.bareLineFeed);
      return;
    }
    const { verb, argument } = parseCommandLine(line.toString("utf8"));
    const command = commands.get(verb);
    // Most answers are there at once, and a promise for each would cost more than the command.
    const outcome = answerTo(session, command, verb, argument);
    const answer = outcome instanceof Promise ? await outcome : outcome;
    for (const each of isSeveral(answer) ? answer : [answer]) {
      const last = counted(session, command, each);
      if (last.code >= 400 && isSlowedDown(session)) await sleep(limits.errorDelayMs);
      session.say(last);
      if (last.closes) return;
    }
    if (
      command?.verb === "DATA" &&
      isMovable(session) &&
      session.services.move?.(connection, stateOf(session))
    )
      return;
    if (answer === replies.startTls) {
      await connection.startTls();
      session.forgetClient();
    }
  }
}

function answerTo(
  session: Session,
  command: Command | undefined,
  verb: string,
  argument: string,
): ReturnType<Command["run"]> {
  if (command === undefined) {
    if (foreignVerb.test(verb)) {
      session.abuse("foreign-protocol", replies.unknownCommand);
      return closing(replies.unknownCommand);
    }
    return replies.unknownCommand;
  }
  if (/[\0-\x08\x0a-\x1f\x7f]/.test(argument)) return replies.syntax;
  const groupEnds = command.endsGroup || !session.extended;
  if (groupEnds && session.connection.buffered() > 0) {
    // Bytes behind a reply nobody has read yet: an injection before TLS, a smuggled body, or a spam engine.
    session.abuse("pipelining", replies.pipelining);
    return replies.pipelining;
  }
  if (command.idle && ++session.idleCommands > session.limits.idleCommands) session.errors++;
  return command.run(session, argument);
}

/** Counts errors: a client that makes many is slowed down, then sent away. LMTP's are a server of ours and its recipients'. */
function counted(session: Session, command: Command | undefined, last: Reply): Reply {
  if (last.code >= 400 && session.mode !== "lmtp") session.errors++;
  if (session.errors < session.limits.errors || last.closes) return last;
  session.abuse("too-many-errors", replies.tooManyErrors);
  // A message's own verdict is told; whoever hears it may not believe the message was lost.
  return command?.verb === "DATA" || command?.verb === "BDAT" ? closing(last) : replies.tooManyErrors;
}
/** From half of the errors that end a connection on; the last one ends it at once. */
function isSlowedDown({ errors, limits }: Session): boolean {
  return errors * 2 > limits.errors && errors < limits.errors;
}

/** For listeners: what a client over the connection limit hears. */
export const connectionRefusal: string = reply(421, "4.7.0", "Too many connections; try again later").wire;
