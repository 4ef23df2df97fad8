/**
 * What becomes of a message that one of this host's users submits (RFC 6409): completed where fields are
 * missing (§8), freed of what tells about the user's device and place, signed for the domain in From, and
 * stored or queued.
 */

import { isForgedResult } from "../filter/forged-results.ts";
import { domainOf } from "../message/address.ts";
import type { MessageContent } from "../message/content.ts";
import { formatDate } from "../message/date.ts";
import { type Headers, readHeaders } from "../message/headers.ts";
import { newMessageId } from "../message/message-id.ts";
import { withoutFields } from "../message/without-fields.ts";
import type { EnvelopeRecipient } from "../queue/queue.ts";
import { copiesFor } from "./copies.ts";
import { type LocalCopy, makeDurable } from "./durable.ts";
import { examinedSubmission, type Submitted } from "./examined-submission.ts";
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
import { ownsAddress } from "./sender-ownership.ts";
import type { AcceptedRecipient, Session, Transaction } from "./session.ts";
import { notKept, withinLimits } from "./submission-limits/within-limits.ts";
import { onwardParameters, reportSuccess, successNotices } from "./success-report.ts";
import { receivedField, returnPathField } from "./trace.ts";

/** Fields that tell about a sender's device, program and place (DMS `sender_header_filter.pcre`), or that only a final host may write. */
const PRIVATE: ReadonlySet<string> = new Set([
  "user-agent",
  "x-mailer",
  "x-enigmail",
  "x-originating-ip",
  "x-originating-client",
  "received",
  "return-path",
]);

/** Decides about a message of an authenticated user and makes it durable. */
export async function submitMail(
  session: Session,
  transaction: Transaction,
  received: MessageContent,
): Promise<Reply> {
  const { hostname } = transaction.snapshot.settings;
  const account = session.account!;
  const receivedAt = session.now();
  const headers = await readHeaders(received);
  const author = authorOf(headers);
  const refusal =
    headerRefusal(session, headers) ??
    (author === undefined ? replies.noFrom : authorRefusal(session, transaction, account, author));
  if (refusal !== undefined || author === undefined)
    return refused(session, transaction, received, refusal ?? replies.noFrom);

  const cleaned = withoutFields(
    received,
    headers,
    (field) => PRIVATE.has(field.name) || isForgedResult(headers, hostname, field),
  );
  const missing = missingFields(headers, hostname, receivedAt);
  const examined = await examinedSubmission(session, { transaction, content: cleaned, missing }, receivedAt);
  if ("wire" in examined) return refused(session, transaction, cleaned, examined);
  try {
    return await sendSubmitted(session, examined, { account, author: author[0]!, headers, receivedAt });
  } finally {
    await examined.content.dispose();
  }
}

interface Particulars {
  readonly account: string;
  /** Who is From; its domain signs. */
  readonly author: string;
  /** As the client wrote them. */
  readonly headers: Headers;
  readonly receivedAt: number;
}

/** Signs what may be sent, and makes it durable. */
async function sendSubmitted(
  session: Session,
  { transaction, content, missing }: Submitted,
  { account, author, headers, receivedAt }: Particulars,
): Promise<Reply> {
  const { id, snapshot, from } = transaction;
  const { settings } = snapshot;
  const { hostname } = settings;
  const own = Buffer.from(
    `${receivedField({
      client: undefined,
      hostname,
      protocol: protocolOf(session, transaction),
      tls: session.connection.tls,
      id,
      recipient: transaction.recipients.length === 1 ? transaction.recipients[0]?.address : undefined,
      receivedAt,
    })}${missing}`,
  );
  const domain = domainOf(author);
  const signing = performance.now();
  const signatures = (await session.services.signer?.sign(domain, own, content)) ?? Buffer.alloc(0);
  const signMs = Math.round((performance.now() - signing) * 10) / 10;
  if (
    signatures.length === 0 &&
    settings.submission.requireSignature &&
    snapshot.domain(domain) !== undefined
  )
    return refused(session, transaction, content, replies.unsigned);

  const prefix = Buffer.concat([signatures, own]);
  const wish = senderHold(transaction);
  const admission = await withinLimits(session, transaction, { account, at: wish?.until ?? receivedAt });
  if (admission.kind === "refused") return refused(session, transaction, content, replies.sendingLimit);
  const hold = admission.kind === "held" ? admission : wish;
  const { local, queued, handled } = destinations(session, transaction, prefix, hold);
  const copied = copiesFor(session, transaction, {
    recipients: handled,
    reached: new Set(local.map((copy) => copy.account)),
    prefix,
    content,
    leaves: true,
  });
  const envelope = { ...envelopeOf(transaction, headers), recipients: queued };
  const durable = await makeDurable(session, {
    id,
    receivedAt,
    from,
    content,
    local,
    copies: copied.local,
    further: copied.queued.map((submission) => ({ ...submission, account })),
    queued: {
      envelope,
      prefix,
      content,
      account,
      holdUntil: hold?.until,
      heldBecause: hold?.because,
    },
  });
  if (!durable.ok) {
    await notKept(session, transaction, admission);
    return refused(session, transaction, content, durable.reply);
  }
  session.log.info(
    {
      event: "submitted",
      id,
      queueId: durable.queueId,
      account,
      from,
      to: transaction.recipients.map(({ address }) => address),
      accounts: local.map((copy) => copy.account),
      copies: copied.to.length > 0 ? copied.to : undefined,
      size: content.size,
      messageId: messageIdOf(headers),
      signed: signatures.length > 0,
      signMs,
      requeued: durable.requeued,
    },
    "message submitted",
  );
  await reportSuccess(
    session,
    transaction,
    { content, envelope, receivedAt },
    successNotices(from, transaction.recipients, durable.stored, receivedAt),
  );
  const held = admission.kind === "held" ? `, held: ${admission.because}` : "";
  return reply(250, "2.0.0", `Ok: queued as ${durable.queueId ?? id}${held}`);
}

/** Why a message waits, and how long. */
interface Hold {
  /** Milliseconds since the epoch; undefined: until an operator releases it. */
  readonly until: number | undefined;
  readonly because: string;
}
/** RFC 4865: its sender wants it to leave later. */
function senderHold({ parameters: { holdUntil } }: Transaction): Hold | undefined {
  if (holdUntil === undefined) return undefined;
  return { until: holdUntil, because: `its sender wants it sent at ${new Date(holdUntil).toISOString()}` };
}

function destinations(
  session: Session,
  transaction: Transaction,
  prefix: Buffer,
  hold: Hold | undefined,
): {
  readonly local: LocalCopy[];
  readonly queued: EnvelopeRecipient[];
  /** Recipients that this pass ends for; what comes in again through the MX is copied there. */
  readonly handled: AcceptedRecipient[];
} {
  const direct = session.services.deliversDirectly ?? (() => true);
  const senderDomain = domainOf(transaction.from);
  const copyPrefix = Buffer.concat([Buffer.from(returnPathField(transaction.from)), prefix]);
  const local = new Map<string, LocalCopy>();
  const queued = new Map<string, EnvelopeRecipient>();
  const handled: AcceptedRecipient[] = [];
  for (const recipient of transaction.recipients) {
    const parameters = onwardParameters(recipient);
    // Who goes through the MX is routed there, whole: an alias that was opened here would be opened twice.
    if (recipient.routes.some((route) => route.kind === "local" && !direct(senderDomain, route))) {
      if (!queued.has(recipient.address))
        queued.set(recipient.address, { address: recipient.address, ...parameters });
      continue;
    }
    handled.push(recipient);
    for (const route of recipient.routes) {
      // What is held waits in the queue for all its recipients.
      if (route.kind === "local" && hold === undefined) {
        if (local.has(route.account)) continue;
        local.set(route.account, {
          account: route.account,
          prefix: copyPrefix,
          mailbox: "INBOX",
          ...limitsOfAccount(transaction, route.account),
          recipient: { address: route.account, ...parameters },
        });
      } else {
        const onward = route.kind === "local" ? route.account : route.address;
        if (!queued.has(onward)) queued.set(onward, { address: onward, ...parameters });
      }
    }
  }
  return { local: [...local.values()], queued: [...queued.values()], handled };
}

/** A user may be From only who they are, or readers would be told a lie that our signature vouches for. */
function authorRefusal(
  session: Session,
  transaction: Transaction,
  account: string,
  author: readonly string[],
): Reply | undefined {
  const { snapshot } = transaction;
  if (!snapshot.settings.submission.spoofProtection) return undefined;
  const foreign = author.find((address) => !ownsAddress(session.services, snapshot, account, address));
  if (foreign === undefined) return undefined;
  return reply(550, "5.7.1", `<${foreign}>: From address rejected: not owned by user ${account}`);
}

/** RFC 6409 §8.1 and §8.3: Date and Message-ID where the client wrote none. */
function missingFields(headers: Headers, hostname: string, now: number): string {
  const has = (name: string) => headers.fields.some((field) => field.name === name);
  const date = has("date") ? "" : `Date: ${formatDate(now)}\r\n`;
  return has("message-id") ? date : `${date}Message-ID: ${newMessageId(hostname, now)}\r\n`;
}
