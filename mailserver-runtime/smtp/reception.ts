/**
 * What becomes of a whole message from outside: looked at once by the filter, marked with what was found
 * (RFC 8601), and stored or forwarded for each recipient (DESIGN D8).
 */
import type { MessageContent } from "../message/content.ts";
import { fieldValue, type Headers, readHeaders } from "../message/headers.ts";
import type { EnvelopeRecipient } from "../queue/queue.ts";
import type { Route } from "../routing/route.ts";
import { copiesFor } from "./copies.ts";
import { type DurableMessage, type LocalCopy, makeDurable } from "./durable.ts";
import { makeDurableForEach } from "./durable-each.ts";
import { envelopeOf, headerRefusal, messageIdOf, protocolOf, quotaOf } from "./message-facts.ts";
import { refused } from "./refused.ts";
import { type Reply, replies, reply } from "./reply.ts";
import type { Session, Transaction } from "./session.ts";
import { onwardParameters, reportSuccess, successNotices } from "./success-report.ts";
import { authenticationResultsField, authservId, receivedField, returnPathField } from "./trace.ts";
import { withoutFields } from "./without-fields.ts";

/**
 * Decides about a message and makes it durable. The reply acknowledges it, or says why not; LMTP has one for
 * each recipient (RFC 2033 §4.2).
 */
export async function receiveMail(
  session: Session,
  transaction: Transaction,
  received: MessageContent,
): Promise<Reply | readonly Reply[]> {
  const { id, snapshot, from } = transaction;
  const { hostname } = snapshot.settings;
  const receivedAt = session.now();
  const headers = await readHeaders(received);
  const refusal = headerRefusal(session, headers);
  if (refusal !== undefined) return refused(session, transaction, received, refusal);

  const { remote, tls } = session.connection;
  const client = { address: remote.address, port: remote.port, secure: tls !== undefined };
  // Who hands mail over by LMTP is a server of ours that has judged it; its client's address is not the sender's.
  const filter = session.mode === "lmtp" ? undefined : session.services.filter;
  const verdict = await filter?.inspect({
    content: received,
    headers,
    client,
    helo: session.helo ?? "",
    from,
    recipients: transaction.recipients.map(({ address }) => address),
    receivedAt: new Date(receivedAt),
  });
  const action = verdict?.action ?? { kind: "accept" };
  if (action.kind === "reject" || action.kind === "tempfail")
    return refused(session, transaction, received, reply(action.code, action.status, action.text), verdict);

  const junk = action.kind === "junk";
  const routes = transaction.recipients.flatMap((recipient) =>
    recipient.routes.map((route) => ({ recipient, route })),
  );
  const forwards = routes.filter(({ route }) => route.kind === "remote");
  // Spam is not forwarded: the next host would hold it against us.
  if (junk && forwards.length === routes.length)
    return refused(session, transaction, received, replies.spam, verdict);

  const content = withoutFields(
    received,
    headers,
    (field) =>
      // What claims to be our verdict and came from outside is forged, or another's (RFC 8601 §5).
      (session.mode !== "lmtp" &&
        field.name === "authentication-results" &&
        authservId(fieldValue(headers, field)) === hostname.toLowerCase()) ||
      (verdict?.headers !== undefined && field.name.startsWith("x-spam-")),
  );
  const results =
    verdict === undefined ? "" : authenticationResultsField(hostname, verdict.authenticationResults);
  const filterFields = (verdict?.headers ?? []).map(({ name, value }) => `${name}: ${value}\r\n`).join("");
  const trace = `${results}${filterFields}${receivedField({
    client: { helo: session.helo ?? "unknown", address: client.address },
    hostname,
    protocol: protocolOf(session, transaction),
    tls,
    id,
    recipient: transaction.recipients.length === 1 ? transaction.recipients[0]?.address : undefined,
    receivedAt,
  })}${separator(headers)}`;
  const returnPath = returnPathField(from);
  const prefix = Buffer.from(`${returnPath}${trace}`);
  const copies = new Map<string, LocalCopy>();
  for (const { recipient, route } of routes) {
    if (route.kind !== "local" || copies.has(route.account)) continue;
    copies.set(route.account, {
      account: route.account,
      prefix,
      mailbox: junk ? "Junk" : "INBOX",
      quotaBytes: quotaOf(transaction, route.account),
      recipient: { address: route.account, ...onwardParameters(recipient) },
    });
  }
  const local = [...copies.values()];
  const onward = new Map<string, EnvelopeRecipient>();
  const backups = new Map<number, EnvelopeRecipient[]>();
  for (const { recipient, route } of forwards) {
    if (route.kind !== "remote") continue;
    const to: EnvelopeRecipient = { address: route.address, ...onwardParameters(recipient) };
    // A backup is no forward: the primary sees the sender as he is, and judges the message itself.
    const { backup } = route;
    if (backup === undefined) {
      if (!junk && !onward.has(to.address)) onward.set(to.address, to);
    } else backups.set(backup.lifetimeSeconds, [...(backups.get(backup.lifetimeSeconds) ?? []), to]);
  }
  const withoutReturnPath = prefix.subarray(Buffer.byteLength(returnPath));
  const copied = copiesFor(session, transaction, {
    recipients: transaction.recipients,
    reached: new Set(copies.keys()),
    prefix: withoutReturnPath,
    content,
    leaves: !junk,
  });
  const envelope = envelopeOf(transaction, headers);
  const message: DurableMessage = {
    id,
    receivedAt,
    from,
    content,
    local,
    copies: copied.local,
    queued: {
      envelope: {
        ...envelope,
        // Rewriting costs an HMAC, which a message that stays here does not need.
        from: (onward.size > 0 ? session.services.forwardSender?.(snapshot, from) : undefined) ?? from,
        recipients: [...onward.values()],
      },
      prefix: withoutReturnPath,
      content,
    },
    further: [
      ...[...backups].map(([lifetimeSeconds, recipients]) => ({
        envelope: { ...envelope, recipients },
        prefix: withoutReturnPath,
        content,
        lifetimeSeconds,
      })),
      ...copied.queued,
    ],
  };
  const durable =
    session.mode === "lmtp"
      ? await makeDurableForEach(session, message, transaction.recipients)
      : await makeDurable(session, message);
  if (!durable.ok) return refused(session, transaction, content, durable.reply, verdict);
  const { refusals = [] } = durable;
  const taken = transaction.recipients.filter((_, index) => refusals[index] === undefined);
  const left = junk ? forwards.flatMap(({ route }) => (isForward(route) ? [route.address] : [])) : [];
  if (left.length > 0) session.log.warn({ event: "spam-not-forwarded", id, to: left });
  session.log.info(
    {
      event: taken.length > 0 ? "accepted" : "refused",
      id,
      queueId: durable.queueId,
      from,
      to: taken.map(({ address }) => address),
      accounts: [...durable.stored],
      forwards: onward.size > 0 ? [...onward.keys()] : undefined,
      backups: backups.size > 0 ? [...backups.values()].flat().map(({ address }) => address) : undefined,
      copies: copied.to.length > 0 ? copied.to : undefined,
      size: received.size,
      messageId: messageIdOf(headers),
      action: action.kind,
      score: verdict?.score,
      times: verdict?.times,
      requeued: durable.requeued,
      refused: refusals.length === 0 ? undefined : transaction.recipients.length - taken.length,
    },
    "message accepted",
  );
  // A report about junk would tell whoever forged its sender that the address is read.
  if (!junk)
    await reportSuccess(
      session,
      transaction,
      { content: received, envelope: message.queued.envelope, receivedAt },
      successNotices(from, taken, durable.stored, receivedAt),
    );
  const answer = reply(250, "2.0.0", `Ok: queued as ${id}`);
  return session.mode === "lmtp"
    ? transaction.recipients.map((_, index) => refusals[index] ?? answer)
    : answer;
}

const isForward = (route: Route): route is Extract<Route, { readonly kind: "remote" }> =>
  route.kind === "remote" && route.backup === undefined;

/** A message whose first line is no field has no header section: an empty line keeps it from joining ours. */
function separator(headers: Headers): string {
  return headers.malformed && headers.fields.length === 0 ? "\r\n" : "";
}
