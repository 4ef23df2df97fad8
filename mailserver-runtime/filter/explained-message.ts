/**
 * A message file as the filter would see it today, and what it finds in words: every symbol, its weight and its reason.
 *
 * Who sent it stands in the file where this server has stored it: Return-Path, and the topmost Received. Whoever asks may
 * say otherwise.
 */
import type { MessageContent } from "../message/content.ts";
import { findField, headerValue, readHeaders } from "../message/headers.ts";
import { changeText } from "./changes/message-change.ts";
import type { Action, InboundFilter, InboundMessage } from "./pipeline.ts";

export interface Circumstances {
  readonly client?: string | undefined;
  readonly helo?: string | undefined;
  readonly from?: string | undefined;
  readonly recipient?: string | undefined;
}

/** `from <helo> (<address>)`, as this server and Postfix write it: `(name [address])`. */
const RECEIVED = /^from\s+(\S+)\s+\((?:\S+\s+)?\[?(?:IPv6:)?([0-9a-fA-F.:]+)\]?\)/;

export async function explainMessage(
  content: MessageContent,
  said: Circumstances,
  filter: InboundFilter,
  now: Date,
): Promise<readonly string[]> {
  const message = await asReceived(content, said, now);
  const verdict = await filter.inspect(message);
  const { findings, score, action, each, authenticationResults, times, changes = [] } = verdict;
  for (const change of changes) if (change.kind === "replace-body") await change.body.dispose();
  const width = Math.max(0, ...findings.map(({ symbol }) => symbol.length));
  const byWeight = [...findings].sort((one, other) => Math.abs(other.score) - Math.abs(one.score));
  const slow = Object.entries(times).map(([check, milliseconds]) => `${check} ${milliseconds} ms`);
  return [
    `from <${message.from}> by ${message.helo || "no HELO"} (${message.client.address || "no address"}) to ${message.recipients.join(", ")}`,
    ...byWeight.map(
      ({ score: weight, symbol, reason }) =>
        `${weight.toFixed(2).padStart(8)}  ${symbol.padEnd(width)}  ${reason}`,
    ),
    `${score.toFixed(2).padStart(8)}  is its score: ${wordsOf(each?.[0]?.action ?? action)}`,
    ...changes.map((change) => `          would be changed: ${changeText(change)}`),
    ...authenticationResults.map((clause) => `          ${clause.replace(/\s+/g, " ")}`),
    ...(slow.length > 0 ? [`          took ${slow.join(", ")}`] : []),
  ].map(printable);
}

async function asReceived(content: MessageContent, said: Circumstances, now: Date): Promise<InboundMessage> {
  const headers = await readHeaders(content);
  const received =
    findField(headers, "received") === undefined ? "" : (headerValue(headers, "received") ?? "");
  const [, helo = "", address = ""] = RECEIVED.exec(received) ?? [];
  const returnPath = /<([^<>]*)>/.exec(headerValue(headers, "return-path") ?? "")?.[1];
  const delivered = headerValue(headers, "delivered-to") ?? /\bfor\s+<([^<>]+)>/.exec(received)?.[1];
  return {
    content,
    headers,
    client: { address: said.client ?? address, port: 0, secure: false },
    helo: said.helo ?? helo,
    from: said.from ?? returnPath ?? "",
    recipients: [said.recipient ?? delivered ?? "postmaster"],
    receivedAt: now,
  };
}

function wordsOf(action: Action): string {
  switch (action.kind) {
    case "accept":
      return "it is delivered";
    case "junk":
      return `it goes to Junk (${action.reason})`;
    case "quarantine":
      return `it goes to the quarantine (${action.reason})`;
    case "reject":
    case "tempfail":
      return `it is refused, ${action.code} ${action.status} ${action.text}`;
  }
}
/** What came from outside commands no terminal. */
function printable(text: string): string {
  return text.replace(/[\p{Cc}\p{Cs}\p{Bidi_Control}]/gu, "?");
}
