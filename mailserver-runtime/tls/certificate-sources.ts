/**
 * Where certificates come from: the one of DMS's SSL_TYPE (dms-certificates.ts), and `state/certificates/*`, the declared ones.
 * A source has a certificate for each kind of key, ECDSA and RSA, and a client is shown the one it can verify.
 */
import { readdirSync } from "node:fs";
import { join } from "node:path";
import type { Directories } from "../settings/directories.ts";
import { type CertificatePair, readCertificateFolder, rsaFolder } from "./certificate-files.ts";
import { dmsCertificate, type Environment } from "./dms-certificates.ts";

/** What is served for the same names, not read yet. */
export interface CertificateSource {
  /** Stays the same while its files come and go. */
  readonly id: string;
  /** For people: the folder or the certificate's file. */
  readonly place: string;
  /** The first is the one that names are taken from. */
  readonly pairs: readonly PairSource[];
}

/** A certificate and its key, not read yet. */
export interface PairSource {
  /** Whose changes mean that it must be read again. */
  readonly files: readonly string[];
  /**
   * Undefined where there is nothing.
   *
   * @throws {BrokenCertificate}
   */
  read(): Promise<Pick<CertificatePair, "chain" | "privateKey" | "leaf"> | undefined>;
}

export interface CertificatePlaces {
  readonly directories: Directories;
  readonly hostname: string;
  readonly env: Environment;
  /** `/etc/letsencrypt` and `/etc/ssl` for DMS's modes. */
  readonly letsencrypt: string;
  readonly system: string;
}

/** All certificates of a host, that of SSL_TYPE first. */
export function certificateSources(places: CertificatePlaces): readonly CertificateSource[] {
  const { directories, ...dms } = places;
  const declared = folders(join(directories.state, "certificates")).map(folderSource);
  const external = dmsCertificate({ ...dms, config: directories.config });
  return external === undefined ? declared : [external, ...declared];
}

function folderSource(folder: string): CertificateSource {
  const rsa = rsaFolder(folder);
  const hasRsa = folders(folder).includes(rsa);
  return { id: folder, place: folder, pairs: (hasRsa ? [folder, rsa] : [folder]).map(folderPair) };
}

function folderPair(folder: string): PairSource {
  const files = ["fullchain.pem", "privkey.pem", "next-privkey.pem"].map((name) => join(folder, name));
  return { files, read: () => readCertificateFolder(folder) };
}

function folders(path: string): string[] {
  try {
    return readdirSync(path, { withFileTypes: true })
      .filter((entry) => entry.isDirectory())
      .map((entry) => join(path, entry.name))
      .sort();
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return [];
    throw error;
  }
}
