/**
 * What a message says of who made it, against what that maker would have written: a mail program's own fields, a freemail
 * provider's own hosts, an author whose name is another's address.
 *
 * Weights are from general knowledge, and were looked at on the earlier half of the corpus alone (docs/decisions/0034).
 */
import { domainOf } from "../../message/address.ts";
import { fieldValue, findFields, type Headers } from "../../message/headers.ts";
import { readableValue } from "../reading/readable.ts";
import { type Rule, ruleCheck } from "./rule-check.ts";

/** Freemail providers, and the hosts that mail of theirs passes. */
const providers: readonly (readonly [author: RegExp, hosts: RegExp])[] = [
  [/@(?:gmail|googlemail)\.com$/, /\b(?:google|gmail|googlemail)\.com\b/],
  [/@(?:yahoo\.[a-z.]{2,6}|ymail\.com|aol\.com)$/, /\b(?:yahoo(?:dns)?|yahoo\.co|aol|aim)\.[a-z.]{2,6}\b/],
  [/@(?:hotmail|msn|live|outlook)\.[a-z.]{2,6}$/, /\b(?:hotmail|msn|live|outlook)\.com\b/],
];
const FREEMAIL =
  /@(?:yahoo|hotmail|msn|aol|gmail|googlemail|outlook|live|ymail|mail|excite|lycos|netscape|yandex|gmx|web|protonmail|proton|icloud|zoho|tutanota|inbox|126|163|qq|mail2world|rediffmail)\.[a-z.]{2,8}$/;

const rules: readonly Rule[] = [
  {
    symbol: "FORGED_OUTLOOK_HTML",
    score: 2,
    reason: "it names Outlook and has HTML alone, which Outlook never sends",
    holds: ({ headers, parts }) =>
      /\boutlook\b/i.test(readableValue(headers, "x-mailer")) &&
      parts.length === 1 &&
      parts[0]?.subtype === "html",
  },
  {
    symbol: "FORGED_OUTLOOK_FIELDS",
    score: 1.5,
    reason: "it names Outlook Express and lacks X-MimeOLE",
    holds: ({ headers }) =>
      /outlook express/i.test(readableValue(headers, "x-mailer")) &&
      readableValue(headers, "x-mimeole") === "",
  },
  {
    symbol: "FREEMAIL_NOT_THROUGH_PROVIDER",
    score: 1.5,
    reason: "its author has freemail, and no host of the provider saw it",
    holds({ headers }) {
      const author = addressOf(readableValue(headers, "from"));
      const provider = providers.find(([name]) => name.test(author));
      return provider !== undefined && !stations(headers).some((line) => provider[1].test(line));
    },
  },
  {
    symbol: "FORGED_FREEMAIL_HELO",
    score: 2.5,
    reason: "a host on its way called itself a freemail provider and was none",
    holds: ({ headers }) =>
      stations(headers).some((line) => {
        const [, helo, seen] =
          /^from (yahoo|hotmail|aol|msn|excite|lycos|netscape|gmail)\.com \(([^)]*)\)/.exec(line) ?? [];
        return helo !== undefined && !seen!.includes(`${helo}.com`);
      }),
  },
  {
    symbol: "FROM_NAME_IS_ADDRESS",
    score: 2,
    reason: "the author's name is an address of another domain than his own",
    holds({ headers }) {
      const from = readableValue(headers, "from");
      const author = addressOf(from);
      const [, named] = /^[^<]*?[\w.+-]+@([\w-]+(?:\.[\w-]+)+)[^<]*</.exec(from.slice(0, 500)) ?? [];
      return named !== undefined && author.includes("@") && !sameSite(named.toLowerCase(), domainOf(author));
    },
  },
  {
    symbol: "FROM_MANY_DIGITS",
    score: 1,
    reason: "the author's address is letters and a number, as made-up ones are",
    holds: ({ headers }) => /^[a-z]+[a-z_.-]*\d{4,}[a-z\d]*@/.test(addressOf(readableValue(headers, "from"))),
  },
  {
    symbol: "FREEMAIL_REPLYTO",
    score: 1.5,
    reason: "answers go to a freemail address of another domain than the author's",
    holds({ headers }) {
      const replies = addressOf(readableValue(headers, "reply-to"));
      const author = addressOf(readableValue(headers, "from"));
      return FREEMAIL.test(replies) && author.includes("@") && !sameSite(domainOf(replies), domainOf(author));
    },
  },
  {
    symbol: "TO_IS_FROM",
    score: 0.7,
    reason: "it is from whom it is to",
    holds({ headers }) {
      const author = addressOf(readableValue(headers, "from"));
      return author.includes("@") && addressOf(readableValue(headers, "to")) === author;
    },
  },
  {
    symbol: "FROM_NO_NAME",
    score: 0.3,
    reason: "the author has no name",
    holds: ({ headers }) => /^\s*<?[^\s<>"]+@[^\s<>]+>?\s*$/.test(readableValue(headers, "from")),
  },
  {
    symbol: "BULK_WITHOUT_LIST",
    score: 1,
    reason: "Precedence says bulk, and nothing says how to leave",
    holds: ({ headers }) =>
      /bulk/i.test(readableValue(headers, "precedence")) &&
      readableValue(headers, "list-id") + readableValue(headers, "list-unsubscribe") === "",
  },
  {
    symbol: "CLAIMS_PRIORITY",
    score: 0.7,
    reason: "it calls itself urgent",
    holds: ({ headers }) =>
      /^\s*[12]/.test(readableValue(headers, "x-priority")) ||
      /high/i.test(readableValue(headers, "importance")),
  },
  {
    symbol: "MANY_RECIPIENTS",
    score: 0.8,
    reason: "To and Cc name many people",
    holds: ({ headers }) =>
      readableValue(headers, "to").split("@").length + readableValue(headers, "cc").split("@").length > 10,
  },
];

export const senderSignsCheck = ruleCheck("sender-signs", rules);

/** The first address of a field, lower case; "" without one. */
function addressOf(value: string): string {
  const text = value.slice(0, 1000).toLowerCase();
  return (
    /<\s*([^<>\s]+@[^<>\s]+)\s*>/.exec(text)?.[1] ?? /[^\s<>"(),;:]+@[^\s<>"(),;:]+/.exec(text)?.[0] ?? ""
  );
}
const sameSite = (one: string, other: string): boolean =>
  one === other || one.endsWith(`.${other}`) || other.endsWith(`.${one}`);

/** Values of Received, lower case, blanks as one. */
function stations(headers: Headers): readonly string[] {
  return findFields(headers, "received")
    .slice(0, 20)
    .map((field) => fieldValue(headers, field).slice(0, 1000).toLowerCase().replace(/\s+/g, " "));
}
