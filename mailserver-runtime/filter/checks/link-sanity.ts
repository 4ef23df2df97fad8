/**
 * Links that say one thing and do another: a shown address with another behind it, a host that looks like
 * another one (UTS #39: one label in several scripts), a number for a name, a name before an @.
 */
import { domainToUnicode } from "node:url";
import { getDomain } from "tldts";
import type { Check } from "../check.ts";
import { looksLike, namesInFront } from "../reading/look-alike.ts";
import { mixesScripts } from "../reading/scripts.ts";
import { parseUrl, type Url } from "../reading/urls.ts";

interface Rule {
  readonly symbol: string;
  readonly score: number;
  readonly reason: string;
  holds(url: Url): boolean;
}

/** Services whose only use is that a link is short. */
const SHORTENER =
  /^(?:www\.)?(?:bit\.ly|tinyurl\.com|t\.co|goo\.gl|is\.gd|ow\.ly|buff\.ly|rebrand\.ly|cutt\.ly|shorturl\.at|rb\.gy|t\.ly|tiny\.cc|bl\.ink|s\.id|v\.gd|lnkd\.in|qrco\.de|urlz\.fr|soo\.gd)$/;

const rules: readonly Rule[] = [
  {
    symbol: "LINK_SHOWS_ANOTHER",
    score: 2,
    reason: "shows an address of another domain than it leads to",
    holds({ host, shown }) {
      // A text that is an address, not one that contains some.
      if (shown === undefined || !/^(?:https?:\/\/|www\.)\S{4,200}$/i.test(shown)) return false;
      const seen = parseUrl(shown, undefined);
      return seen !== undefined && domainOf(seen.host) !== domainOf(host) && seen.host.includes(".");
    },
  },
  {
    symbol: "LINK_MIXED_SCRIPTS",
    score: 4,
    reason: "has a name that mixes alphabets",
    holds: ({ host }) => domainToUnicode(host).split(".").some(mixesScripts),
  },
  {
    symbol: "LINK_NUMERIC",
    score: 1,
    reason: "leads to a number instead of a name",
    holds: ({ host }) => /^(?:\d{1,10}|0x[\da-f]{1,8}|[\d.]{7,15})$/.test(host),
  },
  {
    symbol: "LINK_USER",
    score: 2,
    reason: "has a name before an @, which is not where it leads",
    holds: ({ userInfo }) => userInfo,
  },
  {
    symbol: "LINK_LOOKS_LIKE",
    score: 4,
    reason: "looks like a well-known name and is another",
    holds: ({ host }) => looksLike(host) !== undefined,
  },
  {
    symbol: "LINK_NAMES_ANOTHER",
    score: 3,
    reason: "has a well-known name in front of where it leads",
    holds: ({ host }) => namesInFront(host) !== undefined,
  },
  {
    symbol: "LINK_SHORTENED",
    score: 0.3,
    reason: "hides where it leads behind a shortener",
    holds: ({ host }) => SHORTENER.test(host),
  },
  {
    symbol: "LINK_REDIRECTS",
    // Newsletters count clicks so.
    score: 0.2,
    reason: "carries another site's address, and may lead on to it",
    holds({ host, path }) {
      const [, inner] = /[?&#/=](https?(?::|%3a)(?:\/|%2f){2}[^&#\s]{3,300})/i.exec(path) ?? [];
      const target = inner === undefined ? undefined : parseUrl(unescaped(inner), undefined);
      return target !== undefined && domainOf(target.host) !== domainOf(host);
    },
  },
  {
    symbol: "LINK_ESCAPED_HOST",
    score: 2,
    reason: "hides its host behind escapes",
    holds: ({ host }) => /%[\da-f]{2}/i.test(host),
  },
];
/** Links that are looked at. */
const MAX_LOOKED_AT = 200;

export const linkSanityCheck: Check = {
  name: "link-sanity",
  timeLimit: 10_000,
  onFailure: "accept",
  async run(_message, facts) {
    const urls = (await facts.readable()).urls.slice(0, MAX_LOOKED_AT);
    return {
      findings: rules.flatMap(({ symbol, score, reason, holds }) => {
        const url = urls.find(holds);
        return url === undefined
          ? []
          : [
              {
                check: "link-sanity",
                symbol,
                score,
                reason: `a link to ${url.host.slice(0, 100)} ${reason}`,
              },
            ];
      }),
    };
  },
};

function domainOf(host: string): string {
  return getDomain(host) ?? host;
}

function unescaped(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}
