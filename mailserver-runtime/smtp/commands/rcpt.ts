/** RCPT (RFC 5321 §4.1.1.3): the recipient is decided here, by routing and quota, not after the message came. */
import type { Snapshot } from "../../config/snapshot.ts";
import { PROBE_ADDRESS } from "../../health/probe-account.ts";
import { formatAddress, needsSmtpUtf8 } from "../../message/address.ts";
import type { Route } from "../../routing/route.ts";
import type { Command } from "../command.ts";
import { parsePathArgument } from "../grammar.ts";
import { greylistedRecipient } from "../greylisted.ts";
import { overQuota } from "../over-quota.ts";
import { recipientParameters } from "../parameters.ts";
import { type Reply, refusalReply, replies } from "../reply.ts";
import type { Session, Transaction } from "../session.ts";

type OpenRoute = Exclude<Route, { readonly kind: "refused" }>;

export const rcpt: Command = {
  verb: "RCPT",
  modes: ["mx", "submission", "lmtp"],
  endsGroup: false,
  idle: false,
  run(session, argument) {
    const { transaction } = session;
    if (transaction === undefined) return replies.mailFirst;
    if (transaction.bdat !== undefined) return replies.inBdat;
    const path = parsePathArgument(argument, "TO:");
    if (path === undefined) return replies.syntax;
    if (path === "path" || path.mailbox === "null") return replies.badRecipient;
    if (path.parameters.size > 0 && !session.extended) return replies.unknownParameter;
    const parameters = recipientParameters(path.parameters, session.parameterContext());
    if ("wire" in parameters) return parameters;
    const { mailbox } = path;
    if (mailbox !== "postmaster" && needsSmtpUtf8(mailbox) && transaction.parameters.smtpUtf8 !== true)
      return replies.utf8Required;
    const { snapshot, recipients, seen } = transaction;
    if (recipients.length >= snapshot.settings.message.recipientLimit) return replies.tooManyRecipients;

    const address = mailbox === "postmaster" ? "postmaster" : formatAddress(mailbox);
    // LMTP answers the message once for each RCPT that was answered with 250, this one too (RFC 2033 §4.2).
    if (seen.has(address) && session.mode !== "lmtp") return replies.recipientOk;
    const routes: OpenRoute[] = [];
    for (const route of routesFor(session, snapshot, address)) {
      if (route.kind === "refused")
        return refuse(session, transaction, address, refusalReply(route.refusal), route.refusal.text);
      // Who has not logged in reaches remote hosts only through an alias of ours, or as their backup (DESIGN D9).
      if (route.kind === "remote" && !isOpenToAll(route) && !mayRelay(session))
        return refuse(session, transaction, address, replies.relayDenied, "relay access denied");
      routes.push(route);
    }
    const take = () => {
      seen.add(address);
      recipients.push({ address, routes, parameters });
      return replies.recipientOk;
    };
    const accept = () => {
      const waiting = greylistedRecipient(session, transaction, address);
      if (waiting === undefined) return take();
      return waiting.then((wait) =>
        wait === undefined ? take() : refuse(session, transaction, address, wait, "greylisted"),
      );
    };
    const full = overQuota(session, transaction, routes);
    if (full === undefined) return accept();
    return full.then((answer) =>
      answer === undefined ? accept() : refuse(session, transaction, address, answer, "mailbox is full"),
    );
  },
};

/** The probe's mailbox is there for the probe alone; for everybody else its domain is one that is not ours. */
function routesFor(session: Session, snapshot: Snapshot, address: string): readonly Route[] {
  return address === PROBE_ADDRESS && session.account === PROBE_ADDRESS
    ? [{ kind: "local", account: PROBE_ADDRESS, via: [] }]
    : session.services.routeRecipient(snapshot, address);
}

const mayRelay = ({ account, mode, services, connection }: Session): boolean =>
  account !== undefined || (mode === "mx" && services.trusts?.(connection.remote.address) === true);

const isOpenToAll = (route: Extract<Route, { readonly kind: "remote" }>): boolean =>
  route.forwarded || route.backup !== undefined;

function refuse(session: Session, transaction: Transaction, to: string, answer: Reply, why: string): Reply {
  const { id, from } = transaction;
  const { code, status } = answer;
  if (status === "5.1.1") session.offend("unknown-recipient", to);
  else if (answer === replies.relayDenied) session.offend("relay-attempt", to);
  session.log.warn({ event: "refused", stage: "RCPT", id, code, status, from, to }, why);
  return answer;
}
