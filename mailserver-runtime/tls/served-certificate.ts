/**
 * One served certificate with its past: the pairs of a source as they were read last, and the last ones that worked. A pair
 * that cannot be served (key and certificate do not fit, not PEM, expired or for another name while the present one is not)
 * never replaces one that works.
 *
 * Several pairs, of different kinds of keys, make one context: OpenSSL shows each client the first that it can verify.
 */
import { X509Certificate } from "node:crypto";
import { statSync } from "node:fs";
import { createSecureContext, type SecureContext } from "node:tls";
import type { Settings } from "../settings/schema.ts";
import type { CertificateSource, PairSource } from "./certificate-sources.ts";
import { cipherSuites } from "./cipher-suites.ts";
import { kindOf } from "./key-types.ts";

export interface Held {
  readonly source: CertificateSource;
  readonly parts: readonly Part[];
  readonly good: Good | undefined;
  readonly problem: string | undefined;
}
export interface Good {
  readonly context: SecureContext;
  /** One for each kind of key, in the order of preference. */
  readonly leaves: readonly X509Certificate[];
  /** Of the first. */
  readonly names: readonly string[];
}
interface Part {
  readonly signature: string;
  readonly good: GoodPart | undefined;
  readonly problem: string | undefined;
}
interface GoodPart {
  readonly chain: string;
  readonly privateKey: string;
  readonly leaf: X509Certificate;
  readonly names: readonly string[];
}

type Wanted = Pick<Settings, "hostname" | "tls">;

/** Reads what has changed; gives `before` itself where nothing has. */
export async function holdCertificate(
  source: CertificateSource,
  before: Held | undefined,
  settings: Wanted,
): Promise<Held> {
  const parts = await Promise.all(
    source.pairs.map((pair, index) => readPart(pair, before?.parts[index], settings)),
  );
  if (before && parts.length === before.parts.length && parts.every((one, at) => one === before.parts[at]))
    return before;
  const { chosen, problems } = oneOfEachKind(parts);
  const problem = problems.length === 0 ? undefined : problems.join("; ");
  const [first] = chosen;
  if (first === undefined) return { source, parts, good: before?.good, problem };
  try {
    const context = createSecureContext({
      cert: chosen.map(({ chain }) => chain),
      key: chosen.map(({ privateKey }) => privateKey),
      ciphers: cipherSuites[settings.tls.level],
      minVersion: "TLSv1.2",
      honorCipherOrder: true,
      dhparam: "auto",
    });
    const good = { context, leaves: chosen.map(({ leaf }) => leaf), names: first.names };
    return { source, parts, good, problem };
  } catch (error) {
    return { source, parts, good: before?.good, problem: reasonOf(error) };
  }
}

async function readPart(pair: PairSource, before: Part | undefined, settings: Wanted): Promise<Part> {
  const signature = signatureOf(pair.files);
  if (before?.signature === signature && pair.files.length > 0) return before;
  const keep = (problem: string): Part =>
    before?.problem === problem && before.signature === signature
      ? before
      : { signature, good: before?.good, problem };
  try {
    const read = await pair.read();
    if (read === undefined) return keep(`${pair.files[0]} is missing`);
    const { chain, privateKey, leaf } = read;
    const names = namesOf(leaf);
    const working = before?.good !== undefined && !hasExpired(before.good.leaf) ? before.good : undefined;
    const problem = expiredIn(chain, leaf);
    if (problem !== undefined && working !== undefined) return keep(problem);
    if (working !== undefined && isFor(working.names, settings.hostname) && !isFor(names, settings.hostname))
      return keep(`the certificate is for ${names.join(", ")}, not for ${settings.hostname}`);
    return { signature, good: { chain, privateKey, leaf, names }, problem };
  } catch (error) {
    return keep(reasonOf(error));
  }
}

/** OpenSSL holds one certificate of a kind: a second would silently take the place of the first. */
function oneOfEachKind(parts: readonly Part[]) {
  const chosen: GoodPart[] = [];
  const kinds = new Set<string>();
  const problems = parts.flatMap(({ problem }) => (problem === undefined ? [] : [problem]));
  for (const { good } of parts) {
    if (good === undefined) continue;
    const kind = kindOf(good.leaf.publicKey);
    if (kinds.has(kind))
      problems.push(
        `the alternative for ${good.names.join(", ")} has a key of the same kind (${kind}) and is not served`,
      );
    else chosen.push(good);
    kinds.add(kind);
  }
  return { chosen, problems };
}

/** What of a chain has ended; a client would refuse it, whichever certificate it is. */
function expiredIn(chain: string, leaf: X509Certificate): string | undefined {
  if (hasExpired(leaf)) return `the certificate has expired (${leaf.validTo})`;
  const blocks = chain.match(/-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g) ?? [];
  const ended = blocks
    .slice(1)
    .map((block) => new X509Certificate(block))
    .find(hasExpired);
  return ended && `its chain has expired: ${ended.subject.replaceAll("\n", ", ")} (${ended.validTo})`;
}

/** Whether one of the names, or a wildcard among them, is this host's. */
export function isFor(names: readonly string[], hostname: string): boolean {
  const name = hostname.toLowerCase();
  return names.includes(name) || names.includes(`*.${name.slice(name.indexOf(".") + 1)}`);
}

function namesOf(leaf: X509Certificate): string[] {
  const names = (leaf.subjectAltName ?? "")
    .split(", ")
    .filter((name) => name.startsWith("DNS:"))
    .map((name) => name.slice(4).toLowerCase());
  if (names.length > 0) return names;
  // Certificates of the last century have their name in the subject.
  const subject = /^CN=(.+)$/m.exec(leaf.subject)?.[1];
  return subject === undefined ? [] : [subject.toLowerCase()];
}

function hasExpired({ validTo }: X509Certificate): boolean {
  return Date.parse(validTo) < Date.now();
}

function signatureOf(files: readonly string[]): string {
  return files
    .map((file) => {
      const stats = statSync(file, { throwIfNoEntry: false });
      return stats === undefined ? "-" : `${stats.ino}:${stats.size}:${stats.mtimeMs}`;
    })
    .join(" ");
}

function reasonOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
