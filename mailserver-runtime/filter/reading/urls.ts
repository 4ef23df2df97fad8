/**
 * Addresses of the web in running text, and what of an address says who stands behind it (RFC 3986).
 */

export interface Url {
  /** As written, without what punctuation of the sentence follows it; at most 2,000 characters. */
  readonly text: string;
  /** Lower case, as written: not decoded, not looked up. */
  readonly host: string;
  /** What stands before the @ of the authority. */
  readonly userInfo: boolean;
  readonly port: string;
  readonly path: string;
  /** What a reader sees in its place, for a link in HTML. */
  readonly shown: string | undefined;
}

/** Most addresses that are kept of one message. */
export const MAX_URLS = 1000;
const MAX_LENGTH = 2000;

// Every class is disjoint from what follows it, so there is nothing to go back for.
const START = /\b(?:https?:\/\/|ftp:\/\/|www\.)[^\s<>"'`{}|\\^]{1,2000}/gi;

/** Addresses in running text, in their order. */
export function urlsOf(text: string, limit: number = MAX_URLS): Url[] {
  const found: Url[] = [];
  for (const match of text.matchAll(START)) {
    if (found.length >= limit) break;
    const url = parseUrl(match[0].replace(/[).,;:!?\]]{1,8}$/, ""), undefined);
    if (url !== undefined) found.push(url);
  }
  return found;
}

/** The parts of an address; undefined for what names no host (mailto:, cid:, #top). */
export function parseUrl(address: string, shown: string | undefined): Url | undefined {
  const text = address.replace(/[\t\r\n]/g, "").slice(0, MAX_LENGTH);
  const parts = /^(?:[a-z][a-z0-9+.-]{0,20}:)?[/\\]{2}([^/\\?#]*)(.*)$/i.exec(
    /^www\./i.test(text) ? `//${text}` : text,
  );
  if (parts === null) return undefined;
  const authority = parts[1]!;
  const at = authority.lastIndexOf("@");
  const place = authority.slice(at + 1);
  const port = /:(\d{1,5})$/.exec(place);
  const host = (port === null ? place : place.slice(0, port.index)).toLowerCase().replace(/\.$/, "");
  if (host === "") return undefined;
  return { text, host, userInfo: at >= 0, port: port?.[1] ?? "", path: parts[2]!, shown };
}
