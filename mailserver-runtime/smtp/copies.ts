/**
 * Copies of a message for those whom routing/copies.ts names, ready to be stored or queued.
 *
 * They are part of what must be durable before the 250. A copy says above the message's own header who sent it and whom
 * it is for (X-Envelope-From, X-Envelope-To, as archives read them). Its failure is told to nobody but this server's
 * postmaster: a copy here is queued with NOTIFY=NEVER where its store fails, and one for another host leaves with the
 * postmaster as its sender, or with the null reverse-path where the message has that, so that reports never go in circles.
 */
import { PROBE_ADDRESS } from "../health/probe-account.ts";
import type { MessageContent } from "../message/content.ts";
import type { QueueSubmission } from "../queue/queue.ts";
import { type Copy, copiesOf } from "../routing/copies.ts";
import { hostDomain } from "../routing/host-domain.ts";
import type { LocalCopy } from "./durable.ts";
import { limitsOfAccount } from "./message-facts.ts";
import type { AcceptedRecipient, Session, Transaction } from "./session.ts";
import { returnPathField } from "./trace.ts";

export interface Copies {
  readonly local: readonly LocalCopy[];
  readonly queued: readonly QueueSubmission[];
  /** Everybody who gets one, for the log. */
  readonly to: readonly string[];
}
export interface CopiedMessage {
  /** Those recipients that this server handles now. */
  readonly recipients: readonly AcceptedRecipient[];
  /** Accounts that get the message anyway. */
  readonly reached: ReadonlySet<string>;
  /** What stands before the content, without Return-Path. */
  readonly prefix: Buffer;
  readonly content: MessageContent;
  /** Whether copies may go to other hosts; spam may not. */
  readonly leaves: boolean;
}

const none: Copies = { local: [], queued: [], to: [] };

export function copiesFor(session: Session, transaction: Transaction, message: CopiedMessage): Copies {
  const { from, snapshot } = transaction;
  // What the server sends itself to see that it works is nobody's mail.
  if (session.account === PROBE_ADDRESS) return none;
  const found = copiesOf(
    snapshot,
    from,
    message.recipients.map(({ address }) => address),
  );
  if (found.length === 0) return none;
  const local = new Map<string, LocalCopy>();
  const queued: QueueSubmission[] = [];
  const to: string[] = [];
  for (const copy of found) {
    const fields = Buffer.from(envelopeFields(from, copy));
    for (const route of session.services.routeRecipient(snapshot, copy.to)) {
      const target = route.kind === "local" ? route.account : copy.to;
      if (route.kind === "refused") {
        session.log.error(
          { event: "copy-refused", id: transaction.id, to: copy.to, status: route.refusal.status },
          `a copy leads nowhere (${copy.origin.file}:${copy.origin.line}): ${route.refusal.text}`,
        );
        continue;
      }
      if (route.kind === "remote") {
        if (!message.leaves) {
          session.log.warn({ event: "spam-not-forwarded", id: transaction.id, to: [route.address] });
          continue;
        }
        queued.push(submission(transaction, message, route.address, fields));
      } else if (message.reached.has(route.account) || local.has(route.account)) continue;
      else
        local.set(route.account, {
          account: route.account,
          prefix: Buffer.concat([Buffer.from(returnPathField(from)), fields, message.prefix]),
          mailbox: "INBOX",
          ...limitsOfAccount(transaction, route.account),
          recipient: { address: route.account, notify: ["NEVER"] },
        });
      to.push(target);
    }
  }
  return { local: [...local.values()], queued, to };
}

function submission(
  { from, parameters, snapshot }: Transaction,
  { prefix, content }: CopiedMessage,
  address: string,
  fields: Buffer,
): QueueSubmission {
  return {
    envelope: {
      from: from === "" ? "" : `postmaster@${hostDomain(snapshot)}`,
      recipients: [{ address, notify: ["NEVER"] }],
      smtpUtf8: parameters.smtpUtf8,
      body: parameters.body,
    },
    prefix: Buffer.concat([fields, prefix]),
    content,
  };
}

/** Folded after each recipient: a line has at most 998 octets (RFC 5322 §2.1.1). */
function envelopeFields(from: string, { recipients }: Copy): string {
  const list = recipients.map((address) => `<${address}>`).join(",\r\n\t");
  return `X-Envelope-From: <${from}>\r\nX-Envelope-To: ${list}\r\n`;
}
