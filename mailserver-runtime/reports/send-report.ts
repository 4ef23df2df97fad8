/** Signs a report and hands it to whoever takes this server's own mail. */
import type { Signer } from "../filter/pipeline.ts";
import { memoryContent } from "../message/content.ts";
import type { Log } from "../net/log.ts";
import type { QueueSubmission } from "../queue/queue.ts";
import { type ReportMessage, reportMessage } from "./report-message.ts";

export interface ReportPost {
  readonly signer: Signer;
  /** Makes the message durable before it resolves. */
  readonly submit: (submission: QueueSubmission) => Promise<unknown>;
  /** Our name. */
  readonly hostname: () => string;
  /** The domain that reports: it signs, and answers for what it says. */
  readonly domain: () => string;
  readonly log: Log;
}

/**
 * Sends a report from `postmaster` of our domain; false, with a line in the log, where it cannot be signed: an unsigned
 * report is thrown away by its receiver (RFC 8460 §5.3). The reverse-path is null, so that nothing comes back; and it goes
 * whatever its receiver asks of TLS, because it may be the news that this is broken (RFC 8460 §3).
 */
export async function sendReport(
  post: ReportPost,
  report: Omit<ReportMessage, "hostname" | "from">,
): Promise<boolean> {
  const domain = post.domain();
  const bytes = reportMessage({ ...report, hostname: post.hostname(), from: `postmaster@${domain}` });
  const content = memoryContent(bytes, "crlf");
  const prefix = await post.signer.sign(domain, Buffer.alloc(0), content);
  if (prefix.length === 0) {
    const reason = `${domain} has no active DKIM key, and nobody reads a report that is not signed`;
    post.log.warn({ event: "report-not-sent", to: report.to, subject: report.subject, reason });
    return false;
  }
  const recipients = [{ address: report.to, notify: ["NEVER" as const] }];
  await post.submit({ envelope: { from: "", recipients, tlsOptional: true }, prefix, content });
  post.log.info({ event: "report-sent", to: report.to, subject: report.subject });
  return true;
}
