/** How a message is made up: big coloured letters, a picture in the place of words, text in capitals. */
import type { Readable, TextPart } from "../reading/readable.ts";
import { readableValue } from "../reading/readable.ts";
import { type Rule, ruleCheck } from "./rule-check.ts";

/** Characters of HTML that are looked at. */
const MAX_HTML = 64 * 1024;

const html =
  (holds: (raw: string, part: TextPart) => boolean) =>
  ({ texts }: Readable): boolean =>
    texts.some((part) => part.kind === "html" && holds(part.raw.slice(0, MAX_HTML), part));

const rules: readonly Rule[] = [
  {
    symbol: "HTML_BIG_LETTERS",
    score: 0.9,
    reason: "letters of a poster's size",
    holds: html((raw) => /<font[^>]{0,100}size\s{0,3}=\s{0,3}["']?\+?[4-7]/i.test(raw)),
  },
  {
    symbol: "HTML_RED_LETTERS",
    score: 0.7,
    reason: "red letters",
    holds: html((raw) => /<font[^>]{0,100}color\s{0,3}=\s{0,3}["']?(?:#?ff0000|red)\b/i.test(raw)),
  },
  {
    symbol: "HTML_PICTURE_FOR_TEXT",
    score: 1.2,
    reason: "a picture stands where words would",
    holds: html((_raw, { html: reading, text }) => {
      const shown = text.slice(0, 4000).replace(/\s+/g, " ").trim();
      return (reading?.counts.img ?? 0) > 0 && (reading?.links.length ?? 0) > 0 && shown.length < 150;
    }),
  },
  {
    symbol: "HTML_WITHOUT_CHARSET",
    score: 0.8,
    reason: "HTML alone, whose characters nobody named",
    holds: ({ parts, texts }) => parts.length === 1 && texts[0]?.kind === "html" && texts[0].charset === "",
  },
  {
    symbol: "HTML_MAIL_TO_LEAVE",
    score: 1,
    reason: "a link sends mail to be left alone",
    holds: html((raw) => /mailto:[^"'>\s]{0,200}(?:remove|unsub)/i.test(raw)),
  },
  {
    symbol: "TEXT_IN_CAPITALS",
    score: 1.2,
    reason: "most of the text is in capitals",
    holds: ({ texts }) => {
      const letters = (texts[0]?.text ?? "").slice(0, 4000).replace(/[^A-Za-z]/g, "");
      return letters.length > 200 && letters.replace(/[^A-Z]/g, "").length > letters.length / 2;
    },
  },
  {
    symbol: "SUBJECT_SHOUTS",
    score: 0.6,
    reason: "the subject shouts",
    holds: ({ headers }) => /!!|\?{2}|!\s*$|\*{3}/.test(readableValue(headers, "subject").slice(0, 500)),
  },
  {
    symbol: "SUBJECT_OF_MONEY",
    score: 0.8,
    reason: "the subject names a sum",
    holds: ({ headers }) =>
      /[$€£]\s?\d|\d\s?(?:\$|€|usd\b)|\$\$/i.test(readableValue(headers, "subject").slice(0, 500)),
  },
  {
    symbol: "SUBJECT_ADVERTISEMENT",
    score: 3,
    reason: "the subject says that it is an advertisement",
    holds: ({ headers }) =>
      /^\W{0,5}adv?(?:ertisement)?\s{0,3}[:.]/i.test(readableValue(headers, "subject").slice(0, 100)),
  },
];

export const htmlSignsCheck = ruleCheck("html-signs", rules);
