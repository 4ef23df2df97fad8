/**
 * What HELO, EHLO and LHLO share (RFC 5321 §4.1.1.1, RFC 2033 §4.1).
 *
 * BINARYMIME, MT-PRIORITY and DELIVERBY are not offered: docs/decisions has the reasons.
 */
import { passwordOffer } from "../../auth/sasl-offer.ts";
import { isHelloName } from "../grammar.ts";
import { type Reply, replies, reply } from "../reply.ts";
import type { Session } from "../session.ts";
import { messageSizeLimit } from "../submission-limits/submission-limits.ts";

/** Greets the client and starts anew; undefined when its argument is no name. */
export async function greeted(session: Session, argument: string): Promise<boolean> {
  if (!isHelloName(argument)) return false;
  await session.reset();
  session.helo = argument;
  return true;
}

/** EHLO's and LHLO's answer: the host's name and what this session may use now. */
export async function extendedHello(session: Session, argument: string): Promise<Reply> {
  if (!(await greeted(session, argument))) return replies.syntax;
  session.extended = true;
  const { settings } = session.services.snapshot();
  const secure = session.connection.tls !== undefined;
  const lines = [
    settings.hostname,
    "PIPELINING",
    `SIZE ${messageSizeLimit(settings, session.account)}`,
    "8BITMIME",
    "SMTPUTF8",
    "CHUNKING",
    "DSN",
    "ENHANCEDSTATUSCODES",
    `LIMITS MAILMAX=${session.limits.messages} RCPTMAX=${settings.message.recipientLimit}`,
  ];
  if (session.services.offersTls && !secure) lines.push("STARTTLS");
  if (secure && session.mode !== "lmtp") lines.push("REQUIRETLS");
  const hold = settings.submission.futureReleaseSeconds;
  if (secure && session.mode === "submission" && hold > 0) {
    const latest = new Date(session.now() + hold * 1000).toISOString().replace(/\.\d+Z$/, "Z");
    lines.push(`FUTURERELEASE ${hold} ${latest}`);
  }
  if (session.mode === "submission" && secure && session.account === undefined)
    lines.push(`AUTH ${(session.services.sasl ?? passwordOffer).names(session.connection).join(" ")}`);
  return reply(250, undefined, ...lines);
}
