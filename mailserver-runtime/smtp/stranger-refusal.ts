/**
 * What the DNS says against a client from outside, asked at MAIL. What it does not say in time refuses nobody, and neither a
 * user of ours nor a client on a private network is asked about.
 *
 * - A sender whose domain takes no mail (null MX) could never be answered, nor told that its mail was not delivered: 550
 *   5.7.27 (RFC 7505 §4.2).
 * - Where it is asked for (`greeting.confirmedName`), a client whose address has no confirmed name: 450 4.7.25 (RFC 7372
 *   §3.3), for now, since a name server's mistake is mended.
 */
import type { Snapshot } from "../config/snapshot.ts";
import { domainOf } from "../message/address.ts";
import { isPublicAddress } from "../net/public-address.ts";
import { type Reply, replies } from "./reply.ts";
import type { Session } from "./session.ts";

export async function strangerRefusal(
  session: Session,
  { settings }: Snapshot,
  from: string,
): Promise<Reply | undefined> {
  const { mode, account, services, connection } = session;
  const { address } = connection.remote;
  if (mode !== "mx" || account !== undefined || !isPublicAddress(address)) return undefined;
  const domain = domainOf(from);
  const asksDomain = domain !== "" && !domain.startsWith("[");
  const [takesNoMail, confirmed] = await Promise.all([
    asksDomain ? services.takesNoMail?.(domain) : false,
    settings.greeting.confirmedName ? services.isConfirmed?.(address) : undefined,
  ]);
  if (takesNoMail === true) return refuse(session, from, replies.senderTakesNoMail, "a null MX");
  return confirmed === false
    ? refuse(session, from, replies.unconfirmedName, "no confirmed name of the client's address")
    : undefined;
}

function refuse(session: Session, from: string, answer: Reply, why: string): Reply {
  const { code, status } = answer;
  session.log.warn({ event: "refused", stage: "MAIL", code, status, from }, why);
  return answer;
}
