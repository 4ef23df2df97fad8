/**
 * The parameters of MAIL and RCPT, one row each (RFC 1870 SIZE, 6152 BODY, 6531 SMTPUTF8, 3461 RET ENVID
 * NOTIFY ORCPT, 4954 AUTH, 4865 HOLDFOR HOLDUNTIL, 8689 REQUIRETLS). A value that a row does not accept is 501, a keyword without a row 555.
 */
import type { EnvelopeRecipient } from "../queue/queue.ts";
import { decodeXtext, type Parameters } from "./grammar.ts";
import { type Reply, replies, reply } from "./reply.ts";
import type { SmtpMode } from "./session.ts";

export interface MailParameters {
  size?: number;
  body?: "7BIT" | "8BITMIME";
  smtpUtf8?: boolean;
  ret?: "FULL" | "HDRS";
  envid?: string;
  /** No hop may take the message without checked TLS. */
  requireTls?: boolean;
  /** Not to leave before this time, milliseconds since the epoch. */
  holdUntil?: number;
  /** The same as it was asked for, which a report repeats (RFC 4865 §6): `for;3600` or `until;2026-05-01T12:00:00Z`. */
  holdRequest?: string;
}
export interface RecipientParameters {
  notify?: EnvelopeRecipient["notify"];
  orcpt?: string;
}
/** What the session is in which a command came. */
export interface ParameterContext {
  readonly mode: SmtpMode;
  readonly secure: boolean;
  readonly now: number;
  /** Longest time a message may be held at its sender's wish; 0: none is held. */
  readonly longestHoldSeconds: number;
}
type Row<Into> = (into: Into, value: string | undefined, context: ParameterContext) => boolean;
type Rows<Into> = Readonly<Record<string, Row<Into>>>;

const mailRows: Rows<MailParameters> = {
  SIZE(into, value) {
    if (value === undefined || !/^\d{1,20}$/.test(value)) return false;
    into.size = Number(value);
    return true;
  },
  BODY(into, value) {
    const body = value?.toUpperCase();
    if (body !== "7BIT" && body !== "8BITMIME") return false;
    into.body = body;
    return true;
  },
  SMTPUTF8(into, value) {
    into.smtpUtf8 = true;
    return value === undefined;
  },
  RET(into, value) {
    const ret = value?.toUpperCase();
    if (ret !== "FULL" && ret !== "HDRS") return false;
    into.ret = ret;
    return true;
  },
  ENVID(into, value) {
    // RFC 3461 §4.4: at most 100 characters, printable once decoded.
    if (value === undefined || value.length > 100 || !isPrintableXtext(value)) return false;
    into.envid = value;
    return true;
  },
};
/** Between servers, and of this host's users (RFC 8689 §2); where LMTP ends there is no further way. */
const relayRows: Rows<MailParameters> = {
  ...mailRows,
  REQUIRETLS(into, value) {
    into.requireTls = true;
    return value === undefined;
  },
};
/** AUTH only where it is offered (RFC 4954 §5); whom another server has authenticated is not taken from its client. */
const submissionRows: Rows<MailParameters> = {
  ...relayRows,
  AUTH: (_, value) => value !== undefined && decodeXtext(value) !== undefined,
};
/** RFC 4865 §3: one of the two, within what EHLO has said. */
const holdRows: Rows<MailParameters> = {
  ...submissionRows,
  HOLDFOR(into, value, context) {
    if (value === undefined || !/^[1-9]\d{0,8}$/.test(value)) return false;
    return held(into, context.now + Number(value) * 1000, `for;${value}`, context);
  },
  HOLDUNTIL(into, value, context) {
    // RFC 3339 §5.6 date-time (RFC 4865, erratum 2040).
    const written = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d{1,9})?(?:Z|[+-]\d\d:\d\d)$/i;
    if (value === undefined || !written.test(value)) return false;
    const at = Date.parse(value.toUpperCase());
    // A clock that is a little behind asks for a moment that has just passed: the message goes at once.
    return at > context.now - CLOCK_SKEW_MS && held(into, at, `until;${value}`, context);
  },
};
const CLOCK_SKEW_MS = 60_000;

function held(
  into: MailParameters,
  at: number,
  request: string,
  { now, longestHoldSeconds }: ParameterContext,
): boolean {
  if (into.holdUntil !== undefined || at > now + longestHoldSeconds * 1000) return false;
  into.holdUntil = at;
  into.holdRequest = request;
  return true;
}

function rowsOf({ mode, longestHoldSeconds }: ParameterContext): Rows<MailParameters> {
  if (mode === "submission") return longestHoldSeconds > 0 ? holdRows : submissionRows;
  return mode === "mx" ? relayRows : mailRows;
}

const conditions = ["SUCCESS", "FAILURE", "DELAY"] as const;
const recipientRows: Rows<RecipientParameters> = {
  NOTIFY(into, value) {
    const words = value?.toUpperCase().split(",") ?? [];
    if (words.length === 1 && words[0] === "NEVER") {
      into.notify = ["NEVER"];
      return true;
    }
    const chosen = conditions.filter((condition) => words.includes(condition));
    into.notify = chosen;
    return chosen.length > 0 && chosen.length === words.length;
  },
  ORCPT(into, value) {
    // RFC 3461 §4.2: addr-type ";" xtext, at most 500 characters; utf-8 types of RFC 6533 are xtext here too.
    const parts = /^([A-Za-z0-9-]+);(.+)$/.exec(value ?? "");
    if (parts === null || value === undefined || value.length > 500) return false;
    if (!isPrintableXtext(parts[2]!)) return false;
    into.orcpt = value;
    return true;
  },
};
function isPrintableXtext(value: string): boolean {
  const decoded = decodeXtext(value);
  return decoded !== undefined && !/[\0-\x1f\x7f]/.test(decoded);
}

/** Reads MAIL's parameters. */
export function mailParameters(parameters: Parameters, context: ParameterContext): MailParameters | Reply {
  const found = read<MailParameters>(parameters, rowsOf(context), {}, context);
  return "requireTls" in found && !context.secure ? replies.requireTlsInClear : found;
}
/** Reads RCPT's parameters. */
export function recipientParameters(
  parameters: Parameters,
  context: ParameterContext,
): RecipientParameters | Reply {
  return read(parameters, recipientRows, {}, context);
}
function read<Into extends object>(
  parameters: Parameters,
  rows: Rows<Into>,
  into: Into,
  context: ParameterContext,
): Into | Reply {
  for (const [keyword, value] of parameters) {
    const row = Object.hasOwn(rows, keyword) ? rows[keyword] : undefined;
    if (row === undefined) return replies.unknownParameter;
    if (!row(into, value, context)) return reply(501, "5.5.4", `Bad value of parameter ${keyword}`);
  }
  return into;
}
