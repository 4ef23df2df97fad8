/** MIME as no mail program writes it (RFC 2045, 2046): ways to show a person what a filter does not see. */
import { knowsCharset } from "../../message/mime/encoded-words.ts";
import { parameter } from "../../message/mime/parameters.ts";
import { MAX_PARTS } from "../../message/mime/structure.ts";
import { transferDecoder } from "../../message/mime/transfer-encoding.ts";
import type { Readable } from "../reading/readable.ts";
import { type Rule, ruleCheck } from "./rule-check.ts";

/** Parts in parts in parts: nobody writes mail like that. */
const DEEP = 20;

const rules: readonly Rule[] = [
  {
    symbol: "MIME_NO_BOUNDARY",
    score: 2,
    reason: "a multipart names no boundary",
    holds: ({ parts }) =>
      parts.some(({ type, parameters }) => type === "multipart" && !parameter(parameters, "boundary")),
  },
  {
    symbol: "MIME_EMPTY_MULTIPART",
    score: 1,
    reason: "a multipart has no parts",
    holds: ({ parts }) => parts.some(({ type, children }) => type === "multipart" && children.length === 0),
  },
  {
    symbol: "MIME_BAD_ENCODING",
    score: 1.5,
    reason: "a transfer encoding does not exist",
    holds: ({ parts }) => parts.some(({ encoding }) => transferDecoder(encoding) === undefined),
  },
  {
    symbol: "MIME_BAD_CHARSET",
    score: 1,
    reason: "a charset does not exist",
    holds: ({ texts }) => texts.some(({ charset }) => charset !== "" && !knowsCharset(charset)),
  },
  {
    symbol: "MIME_BASE64_TEXT",
    score: 1,
    reason: "plain ASCII text is hidden in base64",
    holds: ({ parts, texts }) =>
      texts.length > 0 &&
      parts.some(
        ({ type, encoding, disposition }) =>
          type === "text" && encoding === "base64" && disposition?.value.toLowerCase() !== "attachment",
      ) &&
      texts.every(({ raw }) => /^[\x00-\x7f]*$/.test(raw)),
  },
  {
    symbol: "MIME_DEEP",
    score: 3,
    reason: `parts are nested deeper than ${DEEP}`,
    holds: ({ structure }) => deeperThan(structure, DEEP),
  },
  {
    symbol: "MIME_TOO_MANY_PARTS",
    score: 4,
    reason: "there are more parts than anybody reads",
    holds: ({ parts }) => parts.length >= MAX_PARTS,
  },
  {
    symbol: "HTML_COMMENT_SPLIT",
    score: 2,
    reason: "comments cut the words of the HTML",
    holds: ({ texts }) =>
      texts.some(
        ({ raw, html }) => html !== undefined && (raw.match(/[a-z]<![^>]{0,100}>[a-z]/gi)?.length ?? 0) > 5,
      ),
  },
  {
    symbol: "MIME_HTML_ONLY",
    score: 0.2,
    reason: "there is HTML and no plain text",
    holds: ({ texts }) => texts.length > 0 && texts.every(({ kind }) => kind === "html"),
  },
];

export const mimeSanityCheck = ruleCheck("mime-sanity", rules);

function deeperThan(part: Readable["structure"], depth: number): boolean {
  return part.children.some((child) => depth <= 1 || deeperThan(child, depth - 1));
}
