/** Puts what a message's verdict keeps from its recipients into the quarantine, before anything of it is delivered. */
import type { Verdict } from "../filter/pipeline.ts";
import type { MessageContent } from "../message/content.ts";
import { type Headers, headerValue } from "../message/headers.ts";
import { QuarantineFull } from "../quarantine/quarantine.ts";
import type { Fate } from "./fates.ts";
import { type Reply, replies } from "./reply.ts";
import type { Session, Transaction } from "./session.ts";

export interface ToDetain {
  readonly fates: readonly Fate[];
  readonly verdict: Verdict | undefined;
  readonly headers: Headers;
  /** What stands above the message, without Return-Path. */
  readonly prefix: Buffer;
  readonly content: MessageContent;
  readonly receivedAt: number;
}

/** Its id in the quarantine, undefined where nothing is to be kept; or the reply that the client hears instead of 250. */
export async function detain(
  session: Session,
  transaction: Transaction,
  { fates, verdict, headers, prefix, content, receivedAt }: ToDetain,
): Promise<{ readonly id: string | undefined } | Reply> {
  const { quarantine } = session.services;
  const kept = fates.filter(({ goes }) => goes === "to quarantine");
  const [first] = kept;
  if (first === undefined) return { id: undefined };
  if (quarantine === undefined) return replies.spam;
  const { smtpUtf8, body } = transaction.parameters;
  try {
    const id = await quarantine.detain({
      receivedAt: new Date(receivedAt).toISOString(),
      from: transaction.from,
      recipients: kept.map(({ recipient, route }) =>
        route.kind === "local"
          ? { kind: "account", address: route.account, original: recipient.address }
          : { kind: "forward", address: route.address, original: recipient.address },
      ),
      smtpUtf8,
      body,
      client: session.connection.remote.address,
      helo: session.helo ?? "",
      subject: (headerValue(headers, "subject") ?? "").slice(0, 500),
      reason: first.reason,
      score: verdict?.score ?? 0,
      findings: [...(verdict?.findings ?? [])],
      prefix,
      content,
    });
    const to = kept.map(({ recipient }) => recipient.address);
    session.log.warn(
      { event: "quarantined", id: transaction.id, quarantineId: id, from: transaction.from, to },
      `kept in the quarantine: ${first.reason}`,
    );
    return { id };
  } catch (error) {
    session.log.error(
      { event: "quarantine-failed", id: transaction.id, err: error },
      error instanceof QuarantineFull ? error.message : "cannot put a message into the quarantine",
    );
    return error instanceof QuarantineFull ? replies.quarantineFull : replies.storeFailed;
  }
}
