/**
 * A sender whose domain takes no mail (null MX) could never be answered, nor told that its mail was not delivered: such
 * mail is refused with 550 5.7.27 (RFC 7505 §4.2). What the DNS does not say in time refuses nobody, and neither a user of
 * ours nor a client on a private network is asked about.
 */
import { domainOf } from "../message/address.ts";
import { isPublicAddress } from "../net/public-address.ts";
import { type Reply, replies } from "./reply.ts";
import type { Session } from "./session.ts";

export async function unanswerableSender(session: Session, from: string): Promise<Reply | undefined> {
  const { mode, account, services, connection } = session;
  const domain = domainOf(from);
  if (services.takesNoMail === undefined || mode !== "mx" || account !== undefined) return undefined;
  if (domain === "" || domain.startsWith("[") || !isPublicAddress(connection.remote.address))
    return undefined;
  if (!(await services.takesNoMail(domain))) return undefined;
  const { code, status } = replies.senderTakesNoMail;
  session.log.warn(
    { event: "refused", stage: "MAIL", code, status, from },
    "the sender's domain takes no mail",
  );
  return replies.senderTakesNoMail;
}
