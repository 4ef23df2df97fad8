/**
 * The host's own certificate authority: `state/ca/` holds its certificate and key, `config/ca.pem` a copy
 * for clients to trust. It serves the local target and closed networks; the world's mail wants ACME.
 *
 * Certificates last 90 days and are renewed when a third of that is left, always to the key that was
 * announced as the next one. The callers in `admin/` hold the lock.
 */
import { join } from "node:path";
import { makeDirectory, readIfPresent, writeDurably } from "../config/durable-file.ts";
import type { Directories } from "../settings/directories.ts";
import {
  BrokenCertificate,
  type CertificatePair,
  certificateFolder,
  keyOf,
  leafOf,
  readCertificateFolder,
  spkiSha256,
  writeCertificateFolder,
} from "./certificate-files.ts";
import { sameNames } from "./certificate-names.ts";
import { leafFingerprint } from "./leaf-fingerprint.ts";
import { issueServerCertificate, makeAuthority, makePrivateKey } from "./x509.ts";

const CERTIFICATE_DAYS = 90;

/** What others may know of a certificate. */
export interface CertificateFacts {
  /** ISO 8601. */
  readonly notAfter: string;
  /** Hex; TLSA 3 1 1 of the key in use and of the one that follows. */
  readonly spkiSha256: string;
  readonly nextSpkiSha256: string;
  /** SHA-256 of the certificate, hex. */
  readonly fingerprint: string;
  readonly caCertificatePem: string;
}

/**
 * Makes sure a good certificate for exactly these names is in place: issues one where there is none or the
 * names differ, renews one that has used two thirds of its time, and otherwise leaves everything alone.
 *
 * @throws {BrokenCertificate} when the authority's own files are damaged: replacing the authority would
 *   make every client distrust the host, so that is left to a person
 */
export async function ensureCertificate(
  directories: Directories,
  names: readonly string[],
  machine: string,
  now = new Date(),
): Promise<CertificateFacts & { readonly created: boolean }> {
  const authority = await ensureAuthority(directories, machine, now);
  const folder = certificateFolder(directories.state, names[0]!);
  const existing = await readCertificateFolder(folder).catch(unusable);
  const pair = existing === undefined ? undefined : await completed(folder, existing);
  if (pair !== undefined && fits(pair, names, authority.certificatePem, now))
    return { ...facts(pair, authority.certificatePem), created: false };
  const renews = pair !== undefined && ageing(pair.leaf, now) && sameNames(pair.leaf, names);
  const privateKey =
    pair === undefined ? await makePrivateKey() : renews ? pair.nextPrivateKey : pair.privateKey;
  const nextPrivateKey = pair === undefined || renews ? await makePrivateKey() : pair.nextPrivateKey;
  const { certificatePem } = await issueServerCertificate({
    names,
    privateKeyPem: privateKey,
    days: CERTIFICATE_DAYS,
    now,
    authority,
  });
  const chain = certificatePem + authority.certificatePem;
  await writeCertificateFolder(folder, { chain, privateKey, nextPrivateKey });
  const leaf = leafOf(chain, folder);
  return {
    ...facts({ chain, privateKey, nextPrivateKey, leaf }, authority.certificatePem),
    created: existing === undefined,
  };
}

/**
 * Something to serve until another authority has issued: what is in place stays, whoever made it; only where nothing
 * usable is, the host's own authority issues.
 *
 * @throws {BrokenCertificate} as `ensureCertificate`
 */
export async function interimCertificate(
  directories: Directories,
  names: readonly string[],
  machine: string,
  now = new Date(),
): Promise<CertificateFacts & { readonly created: boolean }> {
  const folder = certificateFolder(directories.state, names[0]!);
  const existing = await readCertificateFolder(folder).catch(unusable);
  if (existing === undefined) return ensureCertificate(directories, names, machine, now);
  return { ...(await factsOf(directories, await completed(folder, existing))), created: false };
}

/** The certificate for exactly these names as it stands, or undefined when there is none. */
export async function readCertificate(
  directories: Directories,
  names: readonly string[],
): Promise<CertificateFacts | undefined> {
  const pair = await readCompletePair(directories, names[0]!);
  return pair !== undefined && sameNames(pair.leaf, names) ? factsOf(directories, pair) : undefined;
}

/** The certificate of this first name, whatever else it is for: it serves until an authority has made the one declared. */
export async function readServedCertificate(
  directories: Directories,
  firstName: string,
): Promise<CertificateFacts | undefined> {
  const pair = await readCompletePair(directories, firstName);
  return pair && factsOf(directories, pair);
}

async function readCompletePair(
  directories: Directories,
  firstName: string,
): Promise<CompletePair | undefined> {
  const pair = await readCertificateFolder(certificateFolder(directories.state, firstName)).catch(unusable);
  if (pair?.nextPrivateKey === undefined) return undefined;
  return { ...pair, nextPrivateKey: pair.nextPrivateKey };
}

async function factsOf({ state }: Directories, pair: CompletePair): Promise<CertificateFacts> {
  return facts(pair, (await readIfPresent(join(state, "ca", "ca.pem"))) ?? "");
}

type CompletePair = CertificatePair & { readonly nextPrivateKey: string };

/** Finishes a renewal that was killed half way, and gives a certificate from elsewhere its successor. */
async function completed(folder: string, pair: CertificatePair): Promise<CompletePair> {
  if (pair.nextPrivateKey !== undefined) return { ...pair, nextPrivateKey: pair.nextPrivateKey };
  const nextPrivateKey = await makePrivateKey();
  await writeCertificateFolder(folder, { ...pair, nextPrivateKey });
  return { ...pair, nextPrivateKey };
}

async function ensureAuthority(directories: Directories, machine: string, now: Date) {
  const folder = join(directories.state, "ca");
  await makeDirectory(folder, 0o700);
  const keyFile = join(folder, "ca-key.pem");
  const certificateFile = join(folder, "ca.pem");
  let privateKeyPem = await readIfPresent(keyFile);
  let certificatePem = await readIfPresent(certificateFile);
  if (privateKeyPem === undefined) {
    if (certificatePem !== undefined)
      throw new BrokenCertificate(
        `${keyFile} is missing while ${certificateFile} is there: put the key back, or move ${folder} away to begin a new authority that clients must trust anew`,
      );
    privateKeyPem = await makePrivateKey();
    await writeDurably(keyFile, privateKeyPem, 0o600);
  }
  if (certificatePem === undefined) {
    const name = `mailkeep local authority ${machine.slice(0, 8)}`;
    ({ certificatePem } = await makeAuthority(name, privateKeyPem, now));
    await writeDurably(certificateFile, certificatePem, 0o644);
  }
  if (!leafOf(certificatePem, certificateFile).checkPrivateKey(keyOf(privateKeyPem, keyFile)))
    throw new BrokenCertificate(`${keyFile} is not the key of ${certificateFile}`);
  const copy = join(directories.config, "ca.pem");
  if ((await readIfPresent(copy)) !== certificatePem) await writeDurably(copy, certificatePem, 0o644);
  return { certificatePem, privateKeyPem };
}

function facts(pair: CompletePair, caCertificatePem: string): CertificateFacts {
  return {
    notAfter: new Date(pair.leaf.validTo).toISOString(),
    spkiSha256: spkiSha256(pair.privateKey),
    nextSpkiSha256: spkiSha256(pair.nextPrivateKey),
    fingerprint: leafFingerprint(pair.leaf),
    caCertificatePem,
  };
}

function fits(pair: CertificatePair, names: readonly string[], authorityPem: string, now: Date): boolean {
  const authority = leafOf(authorityPem, "ca.pem");
  return (
    sameNames(pair.leaf, names) &&
    !ageing(pair.leaf, now) &&
    pair.leaf.checkIssued(authority) &&
    pair.leaf.verify(authority.publicKey)
  );
}

/** Less than a third of its life is left. */
function ageing(leaf: X509Life, now: Date): boolean {
  const from = Date.parse(leaf.validFrom);
  const to = Date.parse(leaf.validTo);
  return to - now.getTime() < (to - from) / 3;
}
interface X509Life {
  readonly validFrom: string;
  readonly validTo: string;
}

/** A pair that cannot be served is replaced: its authority is ours and a new one costs nothing. */
function unusable(error: unknown): undefined {
  if (error instanceof BrokenCertificate) return undefined;
  throw error;
}
