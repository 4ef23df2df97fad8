/**
 * Names that are made to look like well-known ones: `paypa1.com`, `rnicrosoft.com`, `pаypal.com` with a Cyrillic а (UTS #39),
 * `paypal.com.evil.example`. Names are compared by a skeleton in which what looks alike is the same.
 */
import { domainToUnicode } from "node:url";
import { getDomain } from "tldts";
import { latinLetters } from "../wording/words.ts";

/** Who is imitated most, by their registrable domains' first labels, and the domains that are truly theirs. */
const known: Readonly<Record<string, RegExp>> = {
  paypal: /^paypal\.[a-z.]+$/,
  apple: /^apple\.[a-z.]+$/,
  icloud: /^icloud\.com$/,
  microsoft: /^microsoft\.[a-z.]+$/,
  office365: /^office365\.com$/,
  outlook: /^outlook\.[a-z.]+$/,
  google: /^google\.[a-z.]+$/,
  amazon: /^amazon\.[a-z.]+$/,
  netflix: /^netflix\.[a-z.]+$/,
  facebook: /^facebook\.[a-z.]+$/,
  instagram: /^instagram\.[a-z.]+$/,
  whatsapp: /^whatsapp\.[a-z.]+$/,
  linkedin: /^linkedin\.[a-z.]+$/,
  dropbox: /^dropbox\.[a-z.]+$/,
  docusign: /^docusign\.[a-z.]+$/,
  coinbase: /^coinbase\.[a-z.]+$/,
  binance: /^binance\.[a-z.]+$/,
  metamask: /^metamask\.[a-z.]+$/,
  dhl: /^dhl\.[a-z.]+$/,
  fedex: /^fedex\.[a-z.]+$/,
  usps: /^usps\.[a-z.]+$/,
  wellsfargo: /^wellsfargo\.[a-z.]+$/,
  bankofamerica: /^bankofamerica\.[a-z.]+$/,
  ebay: /^ebay\.[a-z.]+$/,
};
const bySkeleton = new Map(Object.entries(known).map(([name, own]) => [skeleton(name), { name, own }]));

/** The well-known name that the host's domain only looks like; undefined where it looks like none, or is it. */
export function looksLike(host: string): string | undefined {
  const domain = getDomain(host);
  if (domain === null) return undefined;
  const label = domainToUnicode(domain).split(".")[0] ?? "";
  const like = bySkeleton.get(skeleton(label));
  return like === undefined || label === like.name || like.own.test(domain) ? undefined : like.name;
}

/** A well-known domain that stands among the host's labels, which lead to another one. */
export function namesInFront(host: string): string | undefined {
  const domain = getDomain(host);
  if (domain === null || host.length === domain.length) return undefined;
  const front = host.slice(0, -domain.length - 1);
  return Object.keys(known).find(
    (name) =>
      new RegExp(`(?:^|[.-])${name}\\.(?:com|net|org|de|fr|co)(?:[.-]|$)`).test(front) &&
      !known[name]!.test(domain),
  );
}

/** Letters and digits that look alike are one. */
function skeleton(label: string): string {
  return latinLetters(label.toLowerCase().normalize("NFKD"))
    .replace(/\p{M}|-/gu, "")
    .replaceAll("rn", "m")
    .replaceAll("vv", "w")
    .replaceAll("0", "o")
    .replace(/[1|i]/g, "l")
    .replaceAll("5", "s")
    .replaceAll("3", "e");
}
