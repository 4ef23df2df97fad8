/**
 * What a message's sender is to be told, and when: RFC 3461 NOTIFY read as a table. Pure.
 *
 * Nobody is told anything about a message from the null reverse-path: a report about a report would go round for ever
 * (RFC 5321 §4.5.5).
 */
import type { ReportAction, ReportedRecipient } from "../message/report.ts";
import type { MessageState, RecipientState } from "./message-state.ts";

type Keyword = "SUCCESS" | "FAILURE" | "DELAY";

/** Which keyword each action falls under (RFC 3461 §4.1). */
const KEYWORD: { readonly [A in ReportAction]: Keyword } = {
  failed: "FAILURE",
  delayed: "DELAY",
  delivered: "SUCCESS",
  relayed: "SUCCESS",
  expanded: "SUCCESS",
};
/** Without NOTIFY a sender hears of failures, and of delays at our choice: yes (RFC 3461 §4.1). */
const DEFAULT: readonly string[] = ["FAILURE", "DELAY"];

/** Recipients whose end is known and of whom the sender is still to be told. */
export function finalNotices(state: MessageState): readonly ReportedRecipient[] {
  return state.recipients.flatMap((recipient) => {
    if (recipient.reported || recipient.status === "waiting") return [];
    // A next hop with DSN reports successes itself (RFC 3461 §5.2.2); we only do where it cannot.
    if (recipient.status === "delivered" && recipient.last?.withoutDsn !== true) return [];
    const arrived = recipient.last?.remote === undefined ? "delivered" : "relayed";
    const action = recipient.status === "failed" ? "failed" : arrived;
    return wants(state, recipient, action) ? [reported(recipient, action)] : [];
  });
}

/** Recipients that still wait and whose sender is to hear of it; `why`, where they were not tried yet. */
export function delayNotices(
  state: MessageState,
  willRetryUntil: number,
  why = "not tried yet",
): readonly ReportedRecipient[] {
  return state.recipients.flatMap((recipient) =>
    recipient.status === "waiting" && wants(state, recipient, "delayed")
      ? [{ ...reported(recipient, "delayed", why), willRetryUntil }]
      : [],
  );
}

function wants(state: MessageState, recipient: RecipientState, action: ReportAction): boolean {
  if (state.header.envelope.from === "") return false;
  return (recipient.notify ?? DEFAULT).includes(KEYWORD[action]);
}

function reported(recipient: RecipientState, action: ReportAction, why = "not tried yet"): ReportedRecipient {
  const last = recipient.last;
  return {
    address: recipient.address,
    orcpt: recipient.orcpt,
    action,
    status: last?.status ?? (action === "delayed" ? "4.0.0" : "5.0.0"),
    remote: last?.replied ? last.remote?.replace(/\[.*$/, "") : undefined,
    text: last?.text ?? why,
    lastAttemptAt: last?.at,
  };
}
