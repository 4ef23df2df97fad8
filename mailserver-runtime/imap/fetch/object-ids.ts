/**
 * EMAILID and THREADID (RFC 8474 §5): hashes of what the message itself says, so that both are the same wherever it is copied
 * and nothing has to be kept that could be lost.
 *
 * A thread is what answers one message: its id is that of the first Message-ID in References, or else in In-Reply-To, or else
 * of the message's own. So an answer and what it answers have one THREADID, also where one of them is in another mailbox or
 * not there at all. A message without any of them is a thread of its own.
 */
import { createHash } from "node:crypto";
import type { MessageContent } from "../../message/content.ts";
import { envelopeFields } from "../../message/mime/envelope.ts";

export async function emailId(content: MessageContent): Promise<string> {
  const hash = createHash("sha256");
  for await (const chunk of content.chunks()) hash.update(chunk);
  return `M${hash.digest("hex").slice(0, 32)}`;
}

/** By the usual fields of its header; undefined where they name no message. */
export function threadIdByHeader(header: Buffer): string | undefined {
  const { references, "in-reply-to": answered, "message-id": own } = envelopeFields(header);
  const root = firstId(references) ?? firstId(answered) ?? firstId(own);
  return root && `T${createHash("sha256").update(root, "latin1").digest("hex").slice(0, 32)}`;
}
function firstId(value = ""): string | undefined {
  return /<[^<>\s]+>/.exec(value)?.[0];
}

/** THREADID of a message with this EMAILID that names no other and not itself. */
export function threadIdByEmailId(id: string): string {
  return `T${id.slice(1)}`;
}
