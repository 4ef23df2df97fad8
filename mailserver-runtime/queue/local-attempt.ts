/** An attempt at mailboxes of this server, whose store failed when the mail came (DESIGN D8). */
import type { MessageContent } from "../message/content.ts";
import type { MessageState, RecipientState, Result } from "./message-state.ts";
import type { LocalDelivery } from "./options.ts";

/** One recipient's result. Never throws for what the store does. */
export async function attemptHere(
  local: LocalDelivery,
  { header }: MessageState,
  { address, notify, orcpt }: RecipientState,
  content: MessageContent,
): Promise<Result> {
  const common = { replied: false, withoutDsn: true } as const;
  try {
    const refusal = await local.deliver({
      envelope: { ...header.envelope, recipients: [{ address, notify, orcpt }] },
      prefix: Buffer.alloc(0),
      content,
      hops: header.hops,
    });
    return refusal === undefined
      ? { ...common, outcome: "delivered", status: "2.0.0", text: "stored here" }
      : { ...common, outcome: "permanent", status: refusal.status, text: refusal.text };
  } catch (error) {
    const text = `the mailbox cannot be written now: ${error instanceof Error ? error.message : String(error)}`;
    return { ...common, outcome: "temporary", status: "4.3.0", text };
  }
}
