/**
 * A user's message before engines that look at submitted mail (`engines`): as it leaves, so complete, and before our own
 * signature. Spam and viruses of a user are refused, where his mail program shows why; nothing of his goes to a quarantine.
 */
import type { Action } from "../filter/pipeline.ts";
import type { MessageContent } from "../message/content.ts";
import { readHeaders } from "../message/headers.ts";
import { piecedContent } from "../message/pieced-content.ts";
import { disposeChanges, withFilterChanges } from "./filter-changes.ts";
import { type Reply, reply } from "./reply.ts";
import type { Session, Transaction } from "./session.ts";

export interface Submitted {
  readonly transaction: Transaction;
  readonly content: MessageContent;
  /** Fields that its client left out and that stand above the content (RFC 6409 §8). */
  readonly missing: string;
}

/** The message as engines have left it, or why it is refused; the same object where nobody is asked. Owns its content from then on. */
export async function examinedSubmission(
  session: Session,
  submitted: Submitted,
  receivedAt: number,
): Promise<Submitted | Reply> {
  const filter = session.services.submittedFilter;
  if (filter === undefined || !filter.isAsked()) return submitted;
  const { transaction, missing } = submitted;
  const whole = submitted.content;
  const content =
    missing === ""
      ? whole
      : piecedContent([Buffer.from(missing), { of: whole, start: 0, end: whole.size }], whole.lineEnds);
  const headers = await readHeaders(content);
  const { remote, tls } = session.connection;
  const verdict = await filter.inspect({
    content,
    headers,
    client: { address: remote.address, port: remote.port, secure: tls !== undefined },
    helo: session.helo ?? "",
    from: transaction.from,
    recipients: transaction.recipients.map(({ address }) => address),
    receivedAt: new Date(receivedAt),
    id: transaction.id,
    ...(session.account !== undefined && { account: session.account }),
  });
  const actions = [verdict.action, ...(verdict.each ?? []).map(({ action }) => action)];
  const refusal = actions.map(refusalOf).find((one) => one !== undefined);
  if (refusal !== undefined) {
    await disposeChanges(verdict);
    session.log.warn(
      {
        event: "submission-refused",
        id: transaction.id,
        findings: verdict.findings.map(({ symbol }) => symbol),
      },
      "engines refused a submitted message",
    );
    return refusal;
  }
  const changed = withFilterChanges(session, { transaction, content, headers, verdict });
  return { transaction: changed.transaction, content: changed.content, missing: "" };
}

function refusalOf(action: Action): Reply | undefined {
  switch (action.kind) {
    case "accept":
      return undefined;
    case "junk":
    case "quarantine":
      return reply(550, "5.7.1", "This message is taken for spam and is not sent");
    default:
      return reply(action.code, action.status, action.text);
  }
}
