/** A message that carries a report as a compressed attachment: words for people, the report for programs. */
import { randomBytes } from "node:crypto";
import { formatDate } from "../message/date.ts";
import { newMessageId } from "../message/message-id.ts";

export interface ReportMessage {
  readonly hostname: string;
  readonly from: string;
  readonly to: string;
  readonly subject: string;
  /** Fields of the report's kind, `Name: value`. */
  readonly fields: readonly string[];
  /** `multipart/report; report-type="tlsrpt"`, `multipart/mixed`. */
  readonly contentType: string;
  readonly text: readonly string[];
  readonly attachment: { readonly type: string; readonly fileName: string; readonly bytes: Buffer };
  /** Milliseconds. */
  readonly now: number;
}

/** The message's bytes, CRLF line ends, ASCII. */
export function reportMessage(report: ReportMessage): Buffer {
  const { hostname, from, to, subject, fields, contentType, text, attachment, now } = report;
  const boundary = `=_report_${randomBytes(12).toString("hex")}`;
  const encoded = attachment.bytes.toString("base64").match(/.{1,76}/g) ?? [];
  const lines = [
    `From: <${from}>`,
    `To: <${to}>`,
    `Subject: ${subject}`,
    `Date: ${formatDate(now)}`,
    `Message-ID: ${newMessageId(hostname, now)}`,
    ...fields,
    "Auto-Submitted: auto-generated",
    "MIME-Version: 1.0",
    `Content-Type: ${contentType};`,
    `\tboundary="${boundary}"`,
    "",
    `--${boundary}`,
    "Content-Type: text/plain; charset=us-ascii",
    "",
    ...text,
    "",
    `--${boundary}`,
    `Content-Type: ${attachment.type}`,
    "Content-Transfer-Encoding: base64",
    "Content-Disposition: attachment;",
    `\tfilename="${attachment.fileName}"`,
    "",
    ...encoded,
    "",
    `--${boundary}--`,
    "",
  ];
  return Buffer.from(lines.join("\r\n"), "latin1");
}
