/** The message that tells the administrator of an account that sends too much. */

import { memoryContent } from "../../message/content.ts";
import { formatDate } from "../../message/date.ts";
import { newMessageId } from "../../message/message-id.ts";
import type { QueueSubmission } from "../../queue/queue.ts";
import type { Admission } from "./limiter.ts";

export function limitAlert(
  admission: Exclude<Admission, { readonly kind: "free" }>,
  about: { readonly account: string; readonly hostname: string; readonly now: number },
): QueueSubmission {
  const { account, hostname, now } = about;
  const lines = [
    `From: Mail Delivery System <postmaster@${hostname}>`,
    "To: postmaster",
    "Subject: An account sends more than its limit",
    `Date: ${formatDate(now)}`,
    `Message-ID: ${newMessageId(hostname, now)}`,
    "Auto-Submitted: auto-generated",
    "MIME-Version: 1.0",
    "Content-Type: text/plain; charset=utf-8",
    "Content-Transfer-Encoding: 8bit",
    "",
    `${account} wants to send ${admission.because.replace(` for ${account}`, "")}.`,
    "",
    consequences[admission.kind],
    "",
    "If the account's owner knows nothing of it, the password has been stolen: change it, then look at",
    `'mailkeep queue list ${account}' and delete what is spam.`,
    "If it is right so, release the messages and raise the account's limits (submission.accountLimits).",
    "",
    "This is told at most once a period; the log has every message (event submission-limit).",
  ];
  return {
    envelope: { from: "", recipients: [{ address: "postmaster", notify: ["NEVER"] }], body: "8BITMIME" },
    prefix: Buffer.alloc(0),
    content: memoryContent(Buffer.from(`${lines.join("\r\n")}\r\n`), "crlf"),
  };
}

const consequences = {
  held: "Messages beyond the limit are held in the queue until the limit allows them, or until they are released.",
  refused: "Two days' worth of messages is held already; further ones are refused for now (451).",
} as const;
