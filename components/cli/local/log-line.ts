/**
 * A log line as a person reads it: time, level, event, then the fields. Pure. Control characters, which a
 * client can bring into a log, are shown as escapes, so that no line speaks to the terminal.
 */

/** Fields that stand first, in this order; the others follow as they come. */
const leading = ["service", "client", "account", "from", "to", "queueId", "messageId"];

/** One JSON line of the log, readable; what is no JSON comes back as it is, without control characters. */
export function logLine(line: string): string {
  let entry: Record<string, unknown>;
  try {
    entry = JSON.parse(line) as Record<string, unknown>;
  } catch {
    return harmless(line);
  }
  const { time, level, event, message, ...fields } = entry;
  const at = typeof time === "number" ? new Date(time).toISOString().slice(0, 23).replace("T", " ") : "";
  const ordered = [
    ...leading.filter((name) => name in fields),
    ...Object.keys(fields).filter((name) => !leading.includes(name)),
  ];
  const words = ordered.map((name) => `${name}=${shown(fields[name])}`);
  return harmless(
    `${at} ${String(level ?? "").padEnd(5)} ${event ?? message ?? ""} ${words.join(" ")}`.trimEnd(),
  );
}

function shown(value: unknown): string {
  if (typeof value === "string") return /[\s"=]/.test(value) || value === "" ? JSON.stringify(value) : value;
  return JSON.stringify(value) ?? "";
}

function harmless(text: string): string {
  return text.replace(
    /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u202a-\u202e\u2066-\u2069]/g,
    (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, "0")}`,
  );
}
