/**
 * The way of a message as a person reads it: a line with who sent it to whom, then one for each thing that happened, with
 * its time. Pure; control characters, which a client can bring into a log, are shown as escapes.
 */
import type { TraceEvent } from "./trace.ts";

type Fields = TraceEvent["fields"];

/** A block of lines for each message, with an empty line between them. */
export function traceText(messages: readonly (readonly TraceEvent[])[]): readonly string[] {
  return messages.flatMap((events, index) => [...(index > 0 ? [""] : []), ...block(events)]).map(harmless);
}

function block(events: readonly TraceEvent[]): string[] {
  const fieldsOf = (name: string) => events.find(({ fields }) => fields[name] !== undefined)?.fields;
  const beginning = events.find(
    ({ event, fields }) => event !== "queued" && fields.from !== undefined,
  )?.fields;
  const sender = (beginning ?? fieldsOf("from"))?.from;
  const recipients = list(beginning?.to ?? events.flatMap(({ fields }) => list(fields.to)));
  const messageId = fieldsOf("messageId")?.messageId;
  const head =
    `${text(sender) || "<>"} → ${[...new Set(recipients)].join(", ") || "?"}  ${text(messageId)}`.trimEnd();
  let day = "";
  return [
    head,
    ...events.flatMap((event) => {
      const at = new Date(event.at).toISOString();
      const newDay = at.slice(0, 10);
      const lines = newDay === day ? [] : [`  ${newDay}`];
      day = newDay;
      const { id: own } = event.fields;
      return [...lines, `    ${at.slice(11, 23)}  ${text(own).padEnd(22)} ${sentence(event)}`];
    }),
  ];
}

/** What each event says, by its name. */
const sentences: Readonly<Record<string, (fields: Fields) => string>> = {
  accepted: (f) =>
    `received from ${text(f.client)}: ${places(f) || "nothing kept"}${f.score === undefined ? "" : `; ${text(f.action)}, score ${text(f.score)}`}`,
  submitted: (f) =>
    `submitted by ${text(f.account)} from ${text(f.client)}: ${places(f) || "into the queue"}${f.signed === true ? "; signed" : f.signed === false ? "; not signed" : ""}`,
  refused: (f) =>
    `refused at ${text(f.stage)}: ${text(f.code)} ${text(f.status)}${f.message === undefined ? "" : ` ${text(f.message)}`}${f.to === undefined ? "" : ` (${list(f.to).join(", ")})`}`,
  queued: (f) =>
    `queued, from ${f.from === "" ? "<>" : text(f.from)}, ${text(f.recipients)} recipient${f.recipients === 1 ? "" : "s"}${f.cause === undefined ? "" : `, because of ${text(f.cause)}`}`,
  "mx-lookup": (f) => `hosts of ${text(f.domain)}: ${text(f.hosts) || "none"}`,
  "delivery attempt": (f) =>
    `${outcomes[text(f.outcome)] ?? text(f.outcome)} ${text(f.to)}${f.remote === undefined ? "" : ` at ${text(f.remote)}`}: ${text(f.status)} ${text(f.reply)}`,
  "queue-hold": () => "held by the administrator",
  "queue-release": () => "released by the administrator",
  "queue-retry": () => "to be tried now, by the administrator",
  "queue-delete": () => "removed from the queue by the administrator; its sender is not told",
  finished: (f) => `leaves the queue after ${text(f.seconds)} s`,
  "sender told": (f) => `${f.to === "" ? "nobody" : text(f.to)} is told: ${list(f.actions).join(", ")}`,
  "success-reported": (f) => `${text(f.to)} is told: delivered`,
  "own-mail-stored": (f) => `a report is stored for ${list(f.accounts).join(", ")}`,
  "own-mail-refused": (f) => `a report to ${text(f.to)} is refused: ${text(f.reason)}`,
  "spam-not-forwarded": (f) => `not forwarded, since it is spam: ${list(f.to).join(", ")}`,
  "copy-refused": (f) => `a copy to ${text(f.to)} leads nowhere: ${text(f.status)}`,
  "store-failed": (f) => `cannot be stored for ${text(f.account)}: ${text(f.code)}`,
  "warm-up-overflow": (f) => `${text(f.domain)} has had its share for now: sent by ${text(f.relay)}`,
};
const outcomes: Readonly<Record<string, string>> = {
  delivered: "delivered to",
  temporary: "deferred for",
  permanent: "refused for",
};

function sentence({ event, fields }: TraceEvent): string {
  const known = Object.hasOwn(sentences, event) ? sentences[event] : undefined;
  if (known !== undefined) return known(fields);
  const { id: _id, level: _level, session: _session, mode: _mode, ...rest } = fields;
  const words = Object.entries(rest).map(([name, value]) => `${name}=${text(value)}`);
  return [event, ...words].join(" ");
}

/** Where a reception's or submission's message went. */
function places(fields: Fields): string {
  const parts: readonly (readonly [string, unknown])[] = [
    ["stored for", fields.accounts],
    ["forwarded to", fields.forwards],
    ["kept for the primary of", fields.backups],
    ["copied to", fields.copies],
    ["queued as", fields.queueId],
  ];
  return parts
    .filter(([, value]) => list(value).length > 0)
    .map(([words, value]) => `${words} ${list(value).join(", ")}`)
    .join("; ");
}

function list(value: unknown): string[] {
  if (value === undefined || value === null || value === "") return [];
  return Array.isArray(value) ? value.map(text) : [text(value)];
}
function text(value: unknown): string {
  if (value === undefined || value === null) return "";
  return typeof value === "string"
    ? value
    : typeof value === "object"
      ? JSON.stringify(value)
      : String(value);
}
function harmless(line: string): string {
  return line.replace(
    /[\u0000-\u001f\u007f-\u009f\u202a-\u202e\u2066-\u2069]/g,
    (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, "0")}`,
  );
}
