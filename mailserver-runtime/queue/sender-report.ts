/** A report to a message's sender, ready to be sent (message/report.ts makes its bytes). */
import { type MessageContent, memoryContent } from "../message/content.ts";
import { readHeaders } from "../message/headers.ts";
import { buildReport, type ReportedRecipient } from "../message/report.ts";
import type { StoredHeader } from "./message-state.ts";
import type { QueueSubmission } from "./queue.ts";

/** The most of an original that goes back whole with a report. */
const WHOLE_ORIGINAL_BYTES = 1024 * 1024;

/**
 * The submission from the null reverse-path that tells a sender about these recipients. The original goes back whole only
 * with a failure, where RET=FULL asked for it (RFC 3461 §4.3) and it is not too large; else its headers do. A report about
 * a message with REQUIRETLS never has its content, and asks for REQUIRETLS itself (RFC 8689 §5).
 */
export async function reportFor(
  { header }: { readonly header: Pick<StoredHeader, "id" | "envelope" | "queuedAt" | "hops"> },
  recipients: readonly ReportedRecipient[],
  content: MessageContent,
  us: { readonly hostname: string; readonly now: number },
): Promise<QueueSubmission> {
  const { id, envelope, queuedAt, hops } = header;
  const failed = recipients.some(({ action }) => action === "failed");
  const { requireTls } = envelope;
  const whole = failed && envelope.ret === "FULL" && !requireTls && content.size <= WHOLE_ORIGINAL_BYTES;
  const report = buildReport({
    ...us,
    to: envelope.from,
    recipients,
    arrivedAt: queuedAt,
    envid: envelope.envid,
    releaseRequest: envelope.releaseRequest,
    queueId: id,
    original: whole ? await content.read(0, content.size) : await headerSection(content),
    whole,
  });
  return {
    envelope: {
      from: "",
      // RFC 3461 §6: a report about a report is asked for by nobody.
      recipients: [{ address: envelope.from, notify: ["NEVER"] }],
      smtpUtf8: report.utf8,
      body: report.eightBit ? "8BITMIME" : "7BIT",
      ...(requireTls ? { requireTls } : {}),
    },
    prefix: Buffer.alloc(0),
    content: memoryContent(report.bytes),
    hops: (hops ?? 0) + 1,
    cause: id,
  };
}

async function headerSection(content: MessageContent): Promise<Buffer> {
  const headers = await readHeaders(content);
  return headers.bytes.subarray(0, headers.end);
}
