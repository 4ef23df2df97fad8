/**
 * What HELO, EHLO and LHLO share (RFC 5321 §4.1.1.1, RFC 2033 §4.1).
 *
 * Not offered: BINARYMIME, because a next hop without it could only be served by a conversion that breaks
 * DKIM; MT-PRIORITY and DELIVERBY, because hardly any next hop keeps what they promise.
 */
import { passwordOffer } from "../../auth/sasl-offer.ts";
import { isHelloName } from "../grammar.ts";
import { type Reply, replies, reply } from "../reply.ts";
import type { Session } from "../session.ts";

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
    `SIZE ${settings.message.sizeLimit}`,
    "8BITMIME",
    "SMTPUTF8",
    "CHUNKING",
    "DSN",
    "ENHANCEDSTATUSCODES",
    `LIMITS MAILMAX=${session.limits.messages} RCPTMAX=${settings.message.recipientLimit}`,
  ];
  if (session.services.offersTls && !secure) lines.push("STARTTLS");
  if (session.mode === "submission" && secure && session.account === undefined)
    lines.push(`AUTH ${(session.services.sasl ?? passwordOffer).names(session.connection).join(" ")}`);
  return reply(250, undefined, ...lines);
}
