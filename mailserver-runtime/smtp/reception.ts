/**
 * What becomes of a whole message from outside: looked at once by the filter, marked with what was found
 * (RFC 8601), and stored or forwarded for each recipient (DESIGN D8).
 */

import { withoutForgedResults } from "../filter/forged-results.ts";
import type { ResultField, Verdict } from "../filter/pipeline.ts";
import { domainOf } from "../message/address.ts";
import type { MessageContent } from "../message/content.ts";
import { type HeaderField, type Headers, readHeaders } from "../message/headers.ts";
import { withoutFields } from "../message/without-fields.ts";
import type { EnvelopeRecipient } from "../queue/queue.ts";
import { copiesFor } from "./copies.ts";
import { detain } from "./detaining.ts";
import { type DurableMessage, type LocalCopy, makeDurable } from "./durable.ts";
import { makeDurableForEach } from "./durable-each.ts";
import { fatesOf } from "./fates.ts";
import { disposeChanges, withFilterChanges } from "./filter-changes.ts";
import { greylistedMessage } from "./greylisted.ts";
import { junkOf, markedSubject } from "./junk-mark.ts";
import {
  authorOf,
  envelopeOf,
  headerRefusal,
  limitsOfAccount,
  messageIdOf,
  protocolOf,
} from "./message-facts.ts";
import { refused } from "./refused.ts";
import { type Reply, replies, reply } from "./reply.ts";
import type { Session, Transaction } from "./session.ts";
import { onwardParameters, reportSuccess, successNotices } from "./success-report.ts";
import { authenticationResultsField, receivedField, returnPathField } from "./trace.ts";

/**
 * Decides about a message and makes it durable. The reply acknowledges it, or says why not; LMTP has one for
 * each recipient (RFC 2033 §4.2).
 */
export async function receiveMail(
  session: Session,
  transaction: Transaction,
  received: MessageContent,
): Promise<Reply | readonly Reply[]> {
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
    from: transaction.from,
    recipients: transaction.recipients.map(({ address }) => address),
    receivedAt: new Date(receivedAt),
    id: transaction.id,
  });
  const { hostname } = transaction.snapshot.settings;
  const came = { content: received, headers };
  const message = session.mode === "lmtp" ? came : await withoutForgedResults(came, hostname);
  if (verdict === undefined) return receiveJudged(session, { ...message, transaction, verdict, receivedAt });
  try {
    const changed = withFilterChanges(session, { ...message, transaction, verdict });
    return await receiveJudged(session, { ...changed, receivedAt });
  } finally {
    await disposeChanges(verdict);
  }
}

interface JudgedMessage {
  readonly transaction: Transaction;
  readonly content: MessageContent;
  readonly headers: Headers;
  readonly verdict: Verdict | undefined;
  readonly receivedAt: number;
}

/** What becomes of a message that has its verdict, and has been changed as the filter wanted. */
async function receiveJudged(
  session: Session,
  { transaction, content: received, headers, verdict, receivedAt }: JudgedMessage,
): Promise<Reply | readonly Reply[]> {
  const { id, snapshot, from } = transaction;
  const { hostname } = snapshot.settings;
  const { remote, tls } = session.connection;
  const decided = fatesOf(transaction.recipients, verdict);
  if (decided.kind === "refused") {
    const { by } = decided;
    const answer = by.kind === "junk" ? replies.spam : reply(by.code, by.status, by.text);
    if (answer.code >= 500) session.offend("spam");
    return refused(session, transaction, received, answer, verdict);
  }
  const { fates } = decided;
  const wait = await greylistedMessage(session, transaction, verdict);
  if (wait !== undefined) return refused(session, transaction, received, wait, verdict);
  const isSpam = fates.every(({ goes }) => goes !== "through");

  // What claims to be our verdict and came from outside is forged, or another's.
  const isForged = (field: HeaderField) => verdict?.headers !== undefined && field.name.startsWith("x-spam-");
  const marked = isSpam ? markedSubject(headers, snapshot.settings.filter.subjectPrefix) : undefined;
  const content = withoutFields(
    received,
    headers,
    (field) => isForged(field) || (marked !== undefined && field.name === "subject"),
  );
  const results =
    verdict === undefined ? "" : authenticationResultsField(hostname, verdict.authenticationResults);
  const ownTrace = `${receivedField({
    client: { helo: session.helo ?? "unknown", address: remote.address },
    hostname,
    protocol: protocolOf(session, transaction),
    tls,
    id,
    recipient: transaction.recipients.length === 1 ? transaction.recipients[0]?.address : undefined,
    receivedAt,
  })}${separator(headers)}`;
  const signatures = await signaturesOfTrusted(session, headers, ownTrace, content);
  const traceWith = (fields: readonly ResultField[] = []) =>
    Buffer.concat([
      signatures,
      Buffer.from(
        `${results}${fields.map(({ name, value }) => `${name}: ${value}\r\n`).join("")}${ownTrace}`,
      ),
    ]);
  const trace = traceWith(verdict?.headers);
  const returnPath = Buffer.from(returnPathField(from));
  const junk = junkOf(snapshot.settings.filter);
  const above = marked === undefined ? returnPath : Buffer.concat([returnPath, marked]);
  // One buffer for all copies that are alike: the store writes those once.
  const common = Buffer.concat([above, trace]);
  const copies = new Map<string, LocalCopy>();
  for (const { recipient, route, goes, headers: fields } of fates) {
    if (goes === "to quarantine" || route.kind !== "local" || copies.has(route.account)) continue;
    copies.set(route.account, {
      account: route.account,
      prefix: fields === verdict?.headers ? common : Buffer.concat([above, traceWith(fields)]),
      ...(goes === "to junk" ? junk : { mailbox: "INBOX" }),
      ...limitsOfAccount(transaction, route.account),
      recipient: { address: route.account, ...onwardParameters(recipient) },
    });
  }
  const local = [...copies.values()];
  const onward = new Map<string, EnvelopeRecipient>();
  const backups = new Map<number, EnvelopeRecipient[]>();
  for (const { recipient, route, goes } of fates) {
    if (goes !== "through" || route.kind !== "remote") continue;
    const to: EnvelopeRecipient = { address: route.address, ...onwardParameters(recipient) };
    const { backup } = route;
    if (backup !== undefined)
      backups.set(backup.lifetimeSeconds, [...(backups.get(backup.lifetimeSeconds) ?? []), to]);
    else if (!onward.has(to.address)) onward.set(to.address, to);
  }
  const detained = await detain(session, transaction, {
    fates,
    verdict,
    headers,
    prefix: trace,
    content: marked === undefined ? content : withoutFields(received, headers, isForged),
    receivedAt,
  });
  if ("wire" in detained) return refused(session, transaction, content, detained, verdict);
  const copied = copiesFor(session, transaction, {
    recipients: transaction.recipients,
    reached: new Set(copies.keys()),
    prefix: marked === undefined ? trace : Buffer.concat([marked, trace]),
    content,
    leaves: !isSpam,
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
      prefix: trace,
      content,
    },
    further: [
      ...[...backups].map(([lifetimeSeconds, recipients]) => ({
        envelope: { ...envelope, recipients },
        prefix: trace,
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
  if (!durable.ok) {
    if (detained.id !== undefined) await session.services.quarantine?.remove(detained.id);
    return refused(session, transaction, content, durable.reply, verdict);
  }
  const { refusals = [] } = durable;
  const taken = transaction.recipients.filter((_, index) => refusals[index] === undefined);
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
      action: verdict?.action.kind ?? "accept",
      quarantined: detained.id,
      score: verdict?.score,
      times: verdict?.times,
      requeued: durable.requeued,
      refused: refusals.length === 0 ? undefined : transaction.recipients.length - taken.length,
    },
    "message accepted",
  );
  // A report about junk would tell whoever forged its sender that the address is read.
  if (!isSpam)
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

/**
 * What a trusted network sends (PERMIT_DOCKER) is this host's own mail, and signed as docker-mailserver signs it: its
 * OpenDKIM has the same networks among its TrustedHosts.
 */
async function signaturesOfTrusted(
  { mode, services, connection }: Session,
  headers: Headers,
  ownTrace: string,
  content: MessageContent,
): Promise<Buffer> {
  const { signer, trusts } = services;
  if (mode !== "mx" || signer === undefined || trusts?.(connection.remote.address) !== true)
    return Buffer.alloc(0);
  const author = authorOf(headers)?.[0];
  return author === undefined
    ? Buffer.alloc(0)
    : signer.sign(domainOf(author), Buffer.from(ownTrace), content);
}

/** A message whose first line is no field has no header section: an empty line keeps it from joining ours. */
function separator(headers: Headers): string {
  return headers.malformed && headers.fields.length === 0 ? "\r\n" : "";
}
