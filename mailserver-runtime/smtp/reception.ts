/**
 * What becomes of a whole message from outside: looked at once by the filter, marked with what was found
 * (RFC 8601), and stored or forwarded for each recipient (DESIGN D8).
 */
import type { MessageContent } from "../message/content.ts";
import { fieldValue, type Headers, readHeaders } from "../message/headers.ts";
import { type LocalCopy, makeDurable } from "./durable.ts";
import { headerRefusal, messageIdOf, protocolOf, quotaOf } from "./message-facts.ts";
import { refused } from "./refused.ts";
import { type Reply, replies, reply } from "./reply.ts";
import type { Session, Transaction } from "./session.ts";
import { authenticationResultsField, authservId, receivedField, returnPathField } from "./trace.ts";
import { withoutFields } from "./without-fields.ts";

/** Decides about a message and makes it durable. The reply acknowledges it, or says why not. */
export async function receiveMail(
  session: Session,
  transaction: Transaction,
  received: MessageContent,
): Promise<Reply> {
  const { id, snapshot, from } = transaction;
  const { hostname } = snapshot.settings;
  const receivedAt = session.now();
  const headers = await readHeaders(received);
  const refusal = headerRefusal(session, headers);
  if (refusal !== undefined) return refused(session, transaction, received, refusal);

  const { remote, tls } = session.connection;
  const client = { address: remote.address, port: remote.port, secure: tls !== undefined };
  const verdict = await session.services.filter?.inspect({
    content: received,
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
      (field.name === "authentication-results" &&
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
      recipient: { address: route.account, ...recipient.parameters },
    });
  }
  const local = [...copies.values()];
  const onward = junk
    ? []
    : forwards.flatMap(({ recipient, route }) =>
        route.kind === "remote" ? [{ address: route.address, ...recipient.parameters }] : [],
      );
  const durable = await makeDurable(session, {
    id,
    receivedAt,
    from,
    content,
    local,
    queued: {
      envelope: {
        // Rewriting costs an HMAC, which a message that stays here does not need.
        from: (onward.length > 0 ? session.services.forwardSender?.(from) : undefined) ?? from,
        recipients: onward,
        ret: transaction.parameters.ret,
        envid: transaction.parameters.envid,
        smtpUtf8: transaction.parameters.smtpUtf8,
        body: transaction.parameters.body,
      },
      prefix: prefix.subarray(Buffer.byteLength(returnPath)),
      content,
    },
  });
  if (!durable.ok) return refused(session, transaction, content, durable.reply, verdict);
  if (junk && forwards.length > 0)
    session.log.warn({
      event: "spam-not-forwarded",
      id,
      to: forwards.map(({ route }) => route.kind === "remote" && route.address),
    });
  session.log.info(
    {
      event: "accepted",
      id,
      queueId: durable.queueId,
      from,
      to: transaction.recipients.map(({ address }) => address),
      accounts: local.map(({ account }) => account),
      size: received.size,
      messageId: messageIdOf(headers),
      action: action.kind,
      score: verdict?.score,
      times: verdict?.times,
      requeued: durable.requeued,
    },
    "message accepted",
  );
  return reply(250, "2.0.0", `Ok: queued as ${id}`);
}

/** A message whose first line is no field has no header section: an empty line keeps it from joining ours. */
function separator(headers: Headers): string {
  return headers.malformed && headers.fields.length === 0 ? "\r\n" : "";
}
