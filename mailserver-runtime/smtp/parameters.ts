/**
 * The parameters of MAIL and RCPT, one row each (RFC 1870 SIZE, 6152 BODY, 6531 SMTPUTF8, 3461 RET ENVID
 * NOTIFY ORCPT, 4954 AUTH). A value that a row does not accept is 501, a keyword without a row 555.
 */
import type { EnvelopeRecipient } from "../queue/queue.ts";
import { decodeXtext, type Parameters } from "./grammar.ts";
import { type Reply, replies, reply } from "./reply.ts";

export interface MailParameters {
  size?: number;
  body?: "7BIT" | "8BITMIME";
  smtpUtf8?: boolean;
  ret?: "FULL" | "HDRS";
  envid?: string;
}
export interface RecipientParameters {
  notify?: EnvelopeRecipient["notify"];
  orcpt?: string;
}
type Row<Into> = (into: Into, value: string | undefined) => boolean;

const mailRows: Readonly<Record<string, Row<MailParameters>>> = {
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
/** Only where AUTH is offered (RFC 4954 §5); whom another server has authenticated is not taken from its client. */
const submissionRows: Readonly<Record<string, Row<MailParameters>>> = {
  ...mailRows,
  AUTH: (_, value) => value !== undefined && decodeXtext(value) !== undefined,
};

const conditions = ["SUCCESS", "FAILURE", "DELAY"] as const;
const recipientRows: Readonly<Record<string, Row<RecipientParameters>>> = {
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
export function mailParameters(parameters: Parameters, submission: boolean): MailParameters | Reply {
  return read(parameters, submission ? submissionRows : mailRows, {});
}
/** Reads RCPT's parameters. */
export function recipientParameters(parameters: Parameters): RecipientParameters | Reply {
  return read(parameters, recipientRows, {});
}
function read<Into extends object>(
  parameters: Parameters,
  rows: Readonly<Record<string, Row<Into>>>,
  into: Into,
): Into | Reply {
  for (const [keyword, value] of parameters) {
    const row = Object.hasOwn(rows, keyword) ? rows[keyword] : undefined;
    if (row === undefined) return replies.unknownParameter;
    if (!row(into, value)) return reply(501, "5.5.4", `Bad value of parameter ${keyword}`);
  }
  return into;
}
