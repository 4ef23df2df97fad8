/**
 * Whether a certificate fits TLSA records, as SMTP reads them (RFC 7672 §3, RFC 7671 §4, §5, §9). Pure.
 *
 * - Usage 3 (DANE-EE) is about the server's own certificate or key and nothing else: neither its names nor its dates
 *   matter (RFC 7672 §3.1.1).
 * - Usage 2 (DANE-TA) is about an authority above it: the chain to it, the dates and the names have to be good (§3.1.2).
 * - Usages 0 and 1 say nothing to a mail server, which has no list of authorities to agree on (§3.1.3).
 */
import { createHash, createPublicKey, X509Certificate } from "node:crypto";
import type { PeerCertificate } from "node:tls";
import type { TlsaRecord } from "../dns/records.ts";
import type { TlsFailure } from "../queue/client/tls-policy.ts";
import { subjectPublicKeyInfo } from "./spki.ts";

const DANE_TA = 2;
const DANE_EE = 3;
const FULL = 0;
const CERTIFICATE = 0;
const PUBLIC_KEY = 1;

/** Digest by matching type, and the hex digits it has (RFC 6698 §2.1.3). */
const DIGESTS: ReadonlyMap<number, { readonly name: string; readonly digits: number }> = new Map([
  [1, { name: "sha256", digits: 64 }],
  [2, { name: "sha512", digits: 128 }],
]);
/** Certificates of a chain that are looked at. */
const MAX_CHAIN = 10;

/**
 * The records that can be used. Of the digests about one thing the strongest counts alone, so that a weak one beside it
 * cannot be attacked (RFC 7671 §9).
 */
export function usableRecords(records: readonly TlsaRecord[]): readonly TlsaRecord[] {
  const known = records.filter(isUsable);
  return known.filter(
    (record) =>
      record.matchingType === FULL ||
      !known.some(
        (other) =>
          other.usage === record.usage &&
          other.selector === record.selector &&
          other.matchingType > record.matchingType,
      ),
  );
}

function isUsable({ usage, selector, matchingType, certificate }: TlsaRecord): boolean {
  if (usage !== DANE_TA && usage !== DANE_EE) return false;
  if (selector !== CERTIFICATE && selector !== PUBLIC_KEY) return false;
  if (matchingType !== FULL) return DIGESTS.get(matchingType)?.digits === certificate.length;
  try {
    if (selector === CERTIFICATE) new X509Certificate(Buffer.from(certificate, "hex"));
    else publicKey(certificate);
    return true;
  } catch {
    return false;
  }
}

/**
 * What the records have against the certificate a server showed; undefined: nothing. `names` are those one of which an
 * authority's certificate must have (RFC 7672 §3.2.3); `now` is in milliseconds.
 */
export function daneProblem(
  records: readonly TlsaRecord[],
  shown: PeerCertificate,
  names: readonly string[],
  now: number,
): TlsFailure | undefined {
  const chain = chainOf(shown);
  const [leaf] = chain;
  if (leaf === undefined) return mismatch("the server showed no certificate");
  if (records.some((record) => record.usage === DANE_EE && matches(record, leaf))) return undefined;
  const authorities = records.filter(({ usage }) => usage === DANE_TA);
  if (authorities.length === 0)
    return mismatch(`no TLSA record fits it (its key is 3 1 1 ${sha256(subjectPublicKeyInfo(leaf.raw))})`);
  const path = pathToAnchor(chain, authorities);
  if (path === undefined) return mismatch("neither it nor an authority above it fits a TLSA record");
  if (path.some((each) => !isCurrent(each, now)))
    return {
      type: "certificate-expired",
      text: "a certificate between it and its TLSA record is out of date",
    };
  const named = names.some((name) => leaf.checkHost(name, { partialWildcards: false }) !== undefined);
  return named
    ? undefined
    : { type: "certificate-host-mismatch", text: `it is not for ${names.join(" or ")}` };
}

const mismatch = (text: string): TlsFailure => ({ type: "validation-failure", text });

/** The certificates from the server's own upwards, as they say they were issued. */
function chainOf(shown: PeerCertificate): readonly X509Certificate[] {
  const chain: X509Certificate[] = [];
  const seen = new Set<string>();
  let at: PeerCertificate | undefined = shown;
  while (at?.raw !== undefined && chain.length < MAX_CHAIN) {
    const fingerprint = sha256(at.raw);
    if (seen.has(fingerprint)) break;
    seen.add(fingerprint);
    chain.push(new X509Certificate(at.raw));
    at = "issuerCertificate" in at ? (at.issuerCertificate as PeerCertificate) : undefined;
  }
  return chain;
}

/** The verified certificates up to one that a record vouches for, or whose issuer a record has in full. */
function pathToAnchor(
  chain: readonly X509Certificate[],
  records: readonly TlsaRecord[],
): readonly X509Certificate[] | undefined {
  const path: X509Certificate[] = [];
  for (const certificate of chain) {
    const below = path.at(-1);
    if (below !== undefined && !isIssuedBy(below, certificate)) break;
    path.push(certificate);
    if (below !== undefined && records.some((record) => matches(record, certificate))) return path;
  }
  const top = path.at(-1);
  if (top === undefined) return undefined;
  for (const { selector, matchingType, certificate } of records) {
    if (matchingType !== FULL) continue;
    if (selector === PUBLIC_KEY) {
      if (isSignedBy(top, publicKey(certificate))) return path;
      continue;
    }
    const anchor = new X509Certificate(Buffer.from(certificate, "hex"));
    if (isIssuedBy(top, anchor)) return [...path, anchor];
  }
  return undefined;
}

function matches({ selector, matchingType, certificate }: TlsaRecord, shown: X509Certificate): boolean {
  const subject = selector === CERTIFICATE ? shown.raw : subjectPublicKeyInfo(shown.raw);
  const digest = DIGESTS.get(matchingType);
  const data =
    digest === undefined ? subject.toString("hex") : createHash(digest.name).update(subject).digest("hex");
  return data === certificate.toLowerCase();
}

const isIssuedBy = (certificate: X509Certificate, issuer: X509Certificate): boolean =>
  issuer.ca && certificate.checkIssued(issuer) && isSignedBy(certificate, issuer.publicKey);

function isSignedBy(certificate: X509Certificate, key: ReturnType<typeof createPublicKey>): boolean {
  try {
    return certificate.verify(key);
  } catch {
    // A key of another kind than the signature.
    return false;
  }
}

const isCurrent = ({ validFromDate, validToDate }: X509Certificate, now: number): boolean =>
  validFromDate.getTime() <= now && now <= validToDate.getTime();

const publicKey = (hex: string): ReturnType<typeof createPublicKey> =>
  createPublicKey({ key: Buffer.from(hex, "hex"), format: "der", type: "spki" });

const sha256 = (octets: Buffer): string => createHash("sha256").update(octets).digest("hex");
