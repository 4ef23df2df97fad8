/** Which messages of the queue are meant: by identifier, sender, recipient or a recipient's domain. Pure. */
import { domainOf } from "../message/address.ts";
import type { MessageState } from "./message-state.ts";

/** A message is meant when any of these names it. */
export interface Selection {
  readonly ids?: readonly string[];
  /** Reverse-paths; "" is the null reverse-path. */
  readonly senders?: readonly string[];
  readonly recipients?: readonly string[];
  readonly recipientDomains?: readonly string[];
  /** Every message. */
  readonly all?: boolean;
}

/** The same with its words prepared: a question for each message. */
export function chooser(selection: Selection): (state: MessageState) => boolean {
  const ids = new Set(selection.ids);
  const senders = new Set(selection.senders?.map(lower));
  const recipients = new Set(selection.recipients?.map(lower));
  const domains = new Set(selection.recipientDomains?.map(lower));
  return ({ header: { id, envelope } }) =>
    selection.all === true ||
    ids.has(id) ||
    senders.has(lower(envelope.from)) ||
    envelope.recipients.some(
      ({ address }) => recipients.has(lower(address)) || domains.has(lower(domainOf(address))),
    );
}

/** Whether the identifiers say it all, so that nothing has to be read. */
export function isOnlyIds({ senders, recipients, recipientDomains, all }: Selection): boolean {
  return all !== true && [senders, recipients, recipientDomains].every((list) => (list?.length ?? 0) === 0);
}

const lower = (text: string): string => text.toLowerCase();
