/**
 * What programs that send mail for people do, and spam software often does not (RFC 5322 §3.6): one From,
 * one Date near to now, a Message-ID. One row a rule; each scores little, because careless is not evil.
 */
import { fieldValue, findFields } from "../../message/headers.ts";
import { type Readable, readableValue } from "../reading/readable.ts";
import { type Rule, ruleCheck } from "./rule-check.ts";

const DAY = 86_400_000;
/** RFC 5322 §3.3, with what old programs leave out. */
const DATE =
  /^(?:[A-Za-z]{3,9},?\s+)?\d{1,2}\s+[A-Za-z]{3}\s+\d{2,4}\s+\d{1,2}:\d\d(?::\d\d)?(?:\s+(?:[+-]\d{4}|"?[A-Za-z]{1,5}"?)?|$)/;
/** RFC 5322 §3.6: at most once. */
const single = [
  "from",
  "date",
  "subject",
  "to",
  "message-id",
  "reply-to",
  "sender",
  "in-reply-to",
  "references",
];

const rules: readonly Rule[] = [
  {
    symbol: "MISSING_FROM",
    score: 2,
    reason: "there is no From field",
    holds: lacks("from"),
  },
  { symbol: "MISSING_DATE", score: 1, reason: "there is no Date field", holds: lacks("date") },
  { symbol: "MISSING_MID", score: 1, reason: "there is no Message-ID field", holds: lacks("message-id") },
  {
    symbol: "MISSING_TO",
    score: 1,
    reason: "there is neither To nor Cc",
    holds: ({ headers }) => !headers.fields.some(({ name }) => name === "to" || name === "cc"),
  },
  { symbol: "MISSING_SUBJECT", score: 0.5, reason: "there is no Subject field", holds: lacks("subject") },
  {
    symbol: "MULTIPLE_UNIQUE_HEADERS",
    score: 3,
    reason: "a field that may stand once stands several times",
    holds: ({ headers }) => single.some((name) => findFields(headers, name).length > 1),
  },
  {
    symbol: "BROKEN_HEADERS",
    score: 2,
    reason: "a line of the header section is no field",
    holds: ({ headers }) => headers.malformed,
  },
  {
    symbol: "DATE_IN_FUTURE",
    score: 1.5,
    reason: "Date is more than two days ahead",
    holds: (readable, { receivedAt }) => dateOf(readable) - receivedAt.getTime() > 2 * DAY,
  },
  {
    symbol: "DATE_IN_PAST",
    score: 0.5,
    reason: "Date is more than a month ago",
    holds: (readable, { receivedAt }) => receivedAt.getTime() - dateOf(readable) > 31 * DAY,
  },
  {
    symbol: "INVALID_DATE",
    score: 0.8,
    reason: "Date cannot be read",
    holds: (readable) => !lacks("date")(readable) && Number.isNaN(dateOf(readable)),
  },
  {
    symbol: "INVALID_DATE_ZONE",
    score: 2.5,
    reason: "Date names a zone that is nowhere",
    holds: (readable) => /[+-](?:1[5-9]|[2-9]\d)\d\d\b|[+-]\d\d(?!00|15|30|45)\d\d\b/.test(timeOf(readable)),
  },
  {
    symbol: "DATE_MALFORMED",
    score: 1.2,
    reason: "Date is not written as mail programs write it",
    holds(readable) {
      const date = readableValue(readable.headers, "date").slice(0, 100).trim();
      return date !== "" && !DATE.test(date);
    },
  },
  {
    symbol: "SUBJECT_RAW_8BIT",
    score: 0.8,
    reason: "the subject has bytes that are neither ASCII nor UTF-8",
    holds: ({ headers }) =>
      findFields(headers, "subject").some((field) => fieldValue(headers, field).includes("\ufffd")),
  },
  {
    symbol: "SUBJ_ALL_CAPS",
    score: 0.8,
    reason: "the subject is in capitals",
    holds(readable) {
      const subject = readableValue(readable.headers, "subject");
      return subject.length > 12 && /[A-Z]{4}/.test(subject) && subject === subject.toUpperCase();
    },
  },
  {
    symbol: "SUBJECT_TAIL",
    score: 1.5,
    reason: "the subject ends in a code behind many blanks",
    holds: ({ headers }) => / {8,}\S{2,30}$/.test(readableValue(headers, "subject").slice(0, 500)),
  },
  {
    symbol: "INVALID_MSGID",
    score: 0.8,
    reason: "Message-ID has no form of one",
    holds(readable) {
      const id = readableValue(readable.headers, "message-id").trim();
      return id !== "" && !/^<[^<>@\s]+@[^<>@\s]+>/.test(id);
    },
  },
  {
    symbol: "FORGED_OUTLOOK_PRIORITY",
    score: 0.5,
    reason: "X-MSMail-Priority without a Message-ID or X-Mailer",
    holds: (readable) =>
      !lacks("x-msmail-priority")(readable) && (lacks("message-id")(readable) || lacks("x-mailer")(readable)),
  },
];

export const headerSanityCheck = ruleCheck("header-sanity", rules);

function lacks(name: string): (readable: Readable) => boolean {
  return ({ headers }) => !headers.fields.some((field) => field.name === name);
}

/** NaN where there is none. */
function dateOf({ headers }: Readable): number {
  return Date.parse(
    readableValue(headers, "date")
      .slice(0, 100)
      .replace(/\([^)]*\)/g, ""),
  );
}

/** What of Date follows its day. */
const timeOf = ({ headers }: Readable): string =>
  /\d:\d\d.*$/.exec(readableValue(headers, "date").slice(0, 100))?.[0] ?? "";
