/**
 * HTML as a reader sees it: the words, and where the links go (WHATWG HTML, tokenization, leniently).
 *
 * Not a browser: a tag is what stands between `<` and `>`, and text is the rest. What mail hides from its
 * reader (comments, styles, scripts) is left out, and a tag that breaks no line joins the halves of a word,
 * because that is how words are cut in two. One pass, linear in the input whatever it is.
 */

export interface Link {
  readonly href: string;
  /** What the reader sees of it. */
  readonly text: string;
}
export interface HtmlReading {
  readonly text: string;
  readonly links: readonly Link[];
  /** How often each element of interest stands there. */
  readonly counts: Readonly<Record<CountedElement, number>>;
  /** Characters of comments that split text. */
  readonly comments: number;
}
const counted = ["img", "form", "script", "iframe", "object", "font", "table"] as const;
export type CountedElement = (typeof counted)[number];

/** Most links that are kept of one document. */
export const MAX_LINKS = 500;
/** A longer tag is looked at only so far. */
const MAX_TAG = 4096;

/** Elements that leave a word whole. */
const inline = new Set(
  "a abbr b big cite code em font i ins s small span strike strong sub sup tt u wbr".split(" "),
);

export function readHtml(html: string): HtmlReading {
  const counts: Record<CountedElement, number> = {
    img: 0,
    form: 0,
    script: 0,
    iframe: 0,
    object: 0,
    font: 0,
    table: 0,
  };
  const pieces: string[] = [];
  const links: Link[] = [];
  let comments = 0;
  let open: { href: string; from: number } | undefined;
  const closeLink = (): void => {
    if (open === undefined) return;
    links.push({
      href: open.href,
      text: decodeEntities(pieces.slice(open.from).join("")).trim().slice(0, 500),
    });
    open = undefined;
  };
  let at = 0;
  while (at < html.length) {
    const less = html.indexOf("<", at);
    if (less < 0) break;
    if (less > at) pieces.push(html.slice(at, less));
    if (html.startsWith("<!--", less)) {
      const end = html.indexOf("-->", less + 4);
      // A comment that never ends hides the rest, as it does in a browser.
      if (end < 0) return finish(html.length);
      comments += end - less;
      at = end + 3;
      continue;
    }
    if (!isTagStart(html.charCodeAt(less + 1))) {
      pieces.push("<");
      at = less + 1;
      continue;
    }
    const greater = html.indexOf(">", less + 1);
    if (greater < 0) return finish(html.length);
    const tag = html.slice(less + 1, Math.min(greater, less + MAX_TAG));
    const closing = tag.startsWith("/");
    const name = tagName(tag, closing ? 1 : 0);
    at = greater + 1;
    if (!inline.has(name)) pieces.push(" ");
    if (closing) {
      if (name === "a") closeLink();
      continue;
    }
    if (isCounted(name)) counts[name] += 1;
    if (links.length < MAX_LINKS) {
      if (name === "a" || name === "area") {
        closeLink();
        const href = attribute(tag, "href");
        if (href !== undefined) open = { href, from: pieces.length };
      } else if (name === "img" || name === "iframe" || name === "form") {
        const href = attribute(tag, name === "form" ? "action" : "src");
        if (href !== undefined) links.push({ href, text: "" });
      }
    }
    if (name === "script" || name === "style") {
      const end = endOfElement(html, name, at);
      if (end < 0) return finish(html.length);
      at = end;
    }
  }
  return finish(at);

  function finish(from: number): HtmlReading {
    if (from < html.length) pieces.push(html.slice(from));
    closeLink();
    return { text: decodeEntities(pieces.join("")), links, counts, comments };
  }
}

function isTagStart(code: number): boolean {
  return code === 0x2f || code === 0x21 || code === 0x3f || ((code | 0x20) >= 0x61 && (code | 0x20) <= 0x7a);
}

function tagName(tag: string, from: number): string {
  let end = from;
  while (end < tag.length && end - from < 20 && /[a-z0-9!?]/i.test(tag[end]!)) end += 1;
  return tag.slice(from, end).toLowerCase();
}

function isCounted(name: string): name is CountedElement {
  return (counted as readonly string[]).includes(name);
}

/** The value of an attribute; quotes of either kind or none. */
function attribute(tag: string, name: string): string | undefined {
  const lower = tag.toLowerCase();
  for (let at = lower.indexOf(name); at >= 0; at = lower.indexOf(name, at + name.length)) {
    if (!/[\s"'/]/.test(lower[at - 1] ?? "")) continue;
    let value = at + name.length;
    while (value < tag.length && isSpace(tag.charCodeAt(value))) value += 1;
    if (tag[value] !== "=") continue;
    value += 1;
    while (value < tag.length && isSpace(tag.charCodeAt(value))) value += 1;
    const quote = tag[value];
    if (quote === '"' || quote === "'") {
      const end = tag.indexOf(quote, value + 1);
      return decodeEntities(tag.slice(value + 1, end < 0 ? tag.length : end)).trim();
    }
    let end = value;
    while (end < tag.length && !isSpace(tag.charCodeAt(end))) end += 1;
    return decodeEntities(tag.slice(value, end));
  }
  return undefined;
}

/** Behind `</name>`, or -1. */
function endOfElement(html: string, name: string, from: number): number {
  for (let at = html.indexOf("</", from); at >= 0; at = html.indexOf("</", at + 2)) {
    if (html.slice(at + 2, at + 2 + name.length).toLowerCase() !== name) continue;
    const end = html.indexOf(">", at);
    return end < 0 ? -1 : end + 1;
  }
  return -1;
}

function isSpace(code: number): boolean {
  return code === 0x20 || (code >= 0x09 && code <= 0x0d);
}

/** The names that stand in mail; every other reference stays as it is written. */
const entities: Readonly<Record<string, string>> = {
  amp: "&",
  apos: "'",
  bull: "•",
  cent: "¢",
  copy: "©",
  euro: "€",
  gt: ">",
  hellip: "…",
  ldquo: "“",
  lsquo: "‘",
  lt: "<",
  mdash: "—",
  middot: "·",
  nbsp: " ",
  ndash: "–",
  pound: "£",
  quot: '"',
  rdquo: "”",
  reg: "®",
  rsquo: "’",
  shy: "\u00ad",
  trade: "™",
  zwnj: "\u200c",
};

/** Character references as characters (numeric ones, and the usual names). */
export function decodeEntities(text: string): string {
  if (!text.includes("&")) return text;
  return text.replace(
    /&(?:#(\d{1,7})|#[xX]([0-9a-fA-F]{1,6})|([a-zA-Z]{2,6}));?/g,
    (whole, decimal, hex, name) => {
      if (name !== undefined) {
        const key = String(name).toLowerCase();
        return Object.hasOwn(entities, key) ? entities[key]! : whole;
      }
      const code = decimal === undefined ? Number.parseInt(hex, 16) : Number(decimal);
      return code > 0x10ffff || (code >= 0xd800 && code < 0xe000) ? "\ufffd" : String.fromCodePoint(code);
    },
  );
}
