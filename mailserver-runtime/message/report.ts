/**
 * Delivery status notifications: what happened to a message, for its sender, in words and in a form programs read
 * (RFC 3461 §6, RFC 3462/6522 multipart/report, RFC 3464; RFC 6533 where addresses are UTF-8).
 *
 * A report is a message from the null reverse-path to one address. It quotes what a remote server said, with control characters taken out, and of the original
 * message its header section, or all of it where its sender asked for that and it is small enough.
 */

import { isAscii } from "node:buffer";
import { randomBytes } from "node:crypto";
import { formatDate } from "./date.ts";
import { newMessageId } from "./message-id.ts";

/** RFC 3464 §2.3.3. */
export type ReportAction = "failed" | "delayed" | "delivered" | "relayed" | "expanded";

export interface ReportedRecipient {
  /** The address as we sent to it. */
  readonly address: string;
  /** RFC 3461 ORCPT, `type;xtext` as given. */
  readonly orcpt?: string;
  readonly action: ReportAction;
  /** RFC 3463. */
  readonly status: string;
  /** The host that said so; undefined when it was us. */
  readonly remote?: string;
  /** What it said, or our own reason. */
  readonly text: string;
  /** Milliseconds. */
  readonly lastAttemptAt?: number;
  /** For "delayed": when we give up. */
  readonly willRetryUntil?: number;
}
export interface ReportInput {
  /** Our name. */
  readonly hostname: string;
  /** Whom the report is for: the reverse-path of the message. */
  readonly to: string;
  /** Who may be asked about it; default postmaster@hostname. */
  readonly postmaster?: string;
  readonly recipients: readonly ReportedRecipient[];
  /** When the message came here; milliseconds. */
  readonly arrivedAt: number;
  readonly envid?: string;
  /** RFC 4865 §6, as its sender asked. */
  readonly releaseRequest?: string;
  /** Our queue's identifier, for the reader who asks us. */
  readonly queueId: string;
  /** The original's header section, or the whole message when `whole`; CRLF line ends. */
  readonly original: Buffer;
  readonly whole: boolean;
  /** Milliseconds. */
  readonly now: number;
}
export interface Report {
  /** A whole message, headers included, CRLF line ends. */
  readonly bytes: Buffer;
  /** Needs SMTPUTF8 and 8BITMIME on its way. */
  readonly utf8: boolean;
  readonly eightBit: boolean;
}

/** What each action is called in the subject and told in the text. */
const WORDS: { readonly [A in ReportAction]: { readonly subject: string; readonly told: string } } = {
  failed: {
    subject: "Undelivered: your message could not be delivered",
    told: "Your message could not be delivered to the following recipients. It will not be tried again.",
  },
  delayed: {
    subject: "Delayed: your message has not been delivered yet",
    told: "Your message has not reached the following recipients yet. You need not send it again: it is being tried.",
  },
  delivered: {
    subject: "Delivered: your message has arrived",
    told: "Your message has been delivered to the following recipients.",
  },
  relayed: {
    subject: "Relayed: your message has been passed on",
    told: "Your message has been passed on to servers that do not report further about the following recipients.",
  },
  expanded: {
    subject: "Delivered: your message has arrived",
    told: "Your message has been delivered, and sent on to the members behind the following recipients.",
  },
};
/** The action that a report of several is named after. */
const GRAVITY: readonly ReportAction[] = ["failed", "delayed", "relayed", "expanded", "delivered"];

/** Builds the report. At least one recipient. */
export function buildReport(input: ReportInput): Report {
  const { hostname, recipients } = input;
  const boundary = `=_report_${randomBytes(12).toString("hex")}`;
  const utf8 = [input.to, ...recipients.flatMap((each) => [each.address, each.orcpt ?? ""])].some(
    (text) => !isAscii(Buffer.from(text)),
  );
  const gravest =
    GRAVITY.find((action) => recipients.some((recipient) => recipient.action === action)) ?? "failed";
  const parts = [words(input), statusPart(input, utf8), originalPart(input, utf8)];
  const eightBit = utf8 || parts.some((part) => !isAscii(part));
  const head = lines([
    `From: Mail Delivery System <${input.postmaster ?? `postmaster@${hostname}`}>`,
    `To: <${input.to}>`,
    `Subject: ${WORDS[gravest].subject}`,
    `Date: ${formatDate(input.now)}`,
    `Message-ID: ${newMessageId(hostname, input.now)}`,
    "Auto-Submitted: auto-replied",
    "MIME-Version: 1.0",
    `Content-Type: multipart/report; report-type=${utf8 ? "global-delivery-status" : "delivery-status"};`,
    `\tboundary="${boundary}"`,
    ...(eightBit ? ["Content-Transfer-Encoding: 8bit"] : []),
    "",
    "This is a delivery status notification (RFC 3464).",
  ]);
  const bytes = Buffer.concat([
    head,
    ...parts.flatMap((part) => [Buffer.from(`\r\n--${boundary}\r\n`), part]),
    Buffer.from(`\r\n--${boundary}--\r\n`),
  ]);
  return { bytes, utf8, eightBit };
}

/** The part for people. */
function words(input: ReportInput): Buffer {
  const blocks = GRAVITY.flatMap((action) => {
    const about = input.recipients.filter((recipient) => recipient.action === action);
    return about.length === 0 ? [] : [WORDS[action].told, "", ...about.flatMap(recipientWords)];
  });
  const text = lines([
    `This is the mail server ${input.hostname}.`,
    "",
    ...blocks,
    `The server knows your message as ${input.queueId}, received ${formatDate(input.arrivedAt)}.`,
    ...(input.whole ? ["It is attached."] : ["Its headers are attached."]),
  ]);
  const encoding = isAscii(text) ? "7bit" : "8bit";
  const head = ["Content-Type: text/plain; charset=utf-8", `Content-Transfer-Encoding: ${encoding}`, ""];
  return Buffer.concat([lines(head), text]);
}

function recipientWords(recipient: ReportedRecipient): readonly string[] {
  const until = recipient.willRetryUntil;
  const source = recipient.remote === undefined ? "" : `${oneLine(recipient.remote)} said: `;
  return [
    `  <${oneLine(recipient.address)}>`,
    ...wrapped(`${source}${oneLine(recipient.text)}`).map((line) => `    ${line}`),
    ...(until === undefined ? [] : [`    It is tried until ${formatDate(until)}.`]),
    "",
  ];
}

/** The part for programs: one block for the message and one for each recipient (RFC 3464 §2.1). */
function statusPart(input: ReportInput, utf8: boolean): Buffer {
  const type = utf8 ? "message/global-delivery-status" : "message/delivery-status";
  const perMessage = [
    ...(input.envid === undefined ? [] : [`Original-Envelope-Id: ${xtextDecoded(input.envid)}`]),
    `Reporting-MTA: dns; ${input.hostname}`,
    `X-Queue-Id: ${input.queueId}`,
    `Arrival-Date: ${formatDate(input.arrivedAt)}`,
    ...(input.releaseRequest === undefined
      ? []
      : [`Future-Release-Request: ${oneLine(input.releaseRequest)}`]),
  ];
  return lines([
    `Content-Type: ${type}`,
    ...(utf8 ? ["Content-Transfer-Encoding: 8bit"] : []),
    "",
    ...perMessage,
    ...input.recipients.flatMap((recipient) => ["", ...recipientFields(recipient)]),
  ]);
}

function recipientFields(recipient: ReportedRecipient): readonly string[] {
  const { orcpt, remote, lastAttemptAt, willRetryUntil } = recipient;
  const text = oneLine(recipient.text);
  // Only a server's reply may stand as "smtp" (RFC 3464 §2.3.6); our own reason is of a type of its own.
  const diagnostic =
    remote !== undefined && /^[2-5]\d\d /.test(text) ? `smtp; ${text}` : `x-mailkeep; ${text}`;
  return [
    ...(orcpt === undefined ? [] : [`Original-Recipient: ${originalRecipient(orcpt)}`]),
    `Final-Recipient: ${addressType(recipient.address)}; ${oneLine(recipient.address)}`,
    `Action: ${recipient.action}`,
    `Status: ${recipient.status}`,
    ...(remote === undefined ? [] : [`Remote-MTA: dns; ${oneLine(remote)}`]),
    ...folded(`Diagnostic-Code: ${diagnostic}`),
    ...(lastAttemptAt === undefined ? [] : [`Last-Attempt-Date: ${formatDate(lastAttemptAt)}`]),
    ...(willRetryUntil === undefined ? [] : [`Will-Retry-Until: ${formatDate(willRetryUntil)}`]),
  ];
}

function originalPart(input: ReportInput, utf8: boolean): Buffer {
  const plain = isAscii(input.original);
  const type = input.whole
    ? utf8
      ? "message/global"
      : "message/rfc822"
    : utf8
      ? "message/global-headers"
      : "text/rfc822-headers";
  const head = lines([`Content-Type: ${type}`, ...(plain ? [] : ["Content-Transfer-Encoding: 8bit"]), ""]);
  return Buffer.concat([head, input.original]);
}

const addressType = (address: string): string => (isAscii(Buffer.from(address)) ? "rfc822" : "utf-8");

/** `rfc822;ann+2Bx@example.org` as `rfc822; ann+x@example.org` (RFC 3464 §2.3.1). */
function originalRecipient(orcpt: string): string {
  const semicolon = orcpt.indexOf(";");
  return `${oneLine(orcpt.slice(0, semicolon))}; ${xtextDecoded(orcpt.slice(semicolon + 1))}`;
}

/** RFC 3461 §4: `+XX` is an octet in hexadecimal. */
function xtextDecoded(xtext: string): string {
  return oneLine(
    xtext.replace(/\+([0-9A-F]{2})/g, (_, hex: string) => String.fromCharCode(Number.parseInt(hex, 16))),
  );
}

/** Nothing that came from elsewhere may end a line of ours. */
const oneLine = (text: string): string => text.replace(/[\0-\x1f\x7f-\x9f\u2028\u2029]+/g, " ").trim();

const lines = (texts: readonly string[]): Buffer => Buffer.from(`${texts.join("\r\n")}\r\n`, "utf8");

/** Words in lines of at most some 72 columns; a word that no line could hold (RFC 5322 §2.1.1) is cut. */
function wrapped(text: string): readonly string[] {
  const out: string[] = [];
  let line = "";
  for (const word of text.split(" ").flatMap((each) => each.match(/.{1,200}/gsu) ?? [""])) {
    if (line !== "" && line.length + 1 + word.length > 72) {
      out.push(line);
      line = word;
    } else line = line === "" ? word : `${line} ${word}`;
  }
  return [...out, line];
}

/** A field folded at its blanks (RFC 5322 §2.2.3). */
const folded = (field: string): readonly string[] =>
  wrapped(field).map((line, index) => (index === 0 ? line : ` ${line}`));
