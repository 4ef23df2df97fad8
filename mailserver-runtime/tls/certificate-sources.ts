/**
 * Where certificates come from: `state/certificates/*` (declared ones), and the paths of DMS's SSL_TYPE,
 * one row a mode.
 */
import { existsSync, readdirSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import type { Directories } from "../settings/directories.ts";
import {
  BrokenCertificate,
  type CertificatePair,
  keyOf,
  leafOf,
  readCertificateFolder,
} from "./certificate-files.ts";

/** One certificate to serve, not read yet. */
export interface CertificateSource {
  /** For people: the folder or the certificate's file. */
  readonly place: string;
  /** Whose changes mean that it must be read again. */
  readonly files: readonly string[];
  /** @throws {BrokenCertificate} */
  read(): Promise<Pick<CertificatePair, "chain" | "privateKey" | "leaf"> | undefined>;
}

interface FilePair {
  readonly chain: string;
  readonly key: string;
}
type Environment = Readonly<Record<string, string | undefined>>;

const LETSENCRYPT = "/etc/letsencrypt/live";

/** DMS's modes (setup.d/security/ssl.sh): the pairs of files each one serves. */
const dmsModes: Readonly<
  Record<string, (env: Environment, hostname: string, config: string) => readonly FilePair[]>
> = {
  manual: (env) => [
    ...pair(env.SSL_CERT_PATH, env.SSL_KEY_PATH),
    ...pair(env.SSL_ALT_CERT_PATH, env.SSL_ALT_KEY_PATH),
  ],
  letsencrypt(env, hostname) {
    const domain = hostname.slice(hostname.indexOf(".") + 1);
    const names = [env.SSL_DOMAIN?.replace(/^\*\./, ""), hostname, domain];
    const folder = names
      .filter((name) => name !== undefined && name !== "")
      .map((name) => join(LETSENCRYPT, name!))
      .find((path) => existsSync(join(path, "fullchain.pem")));
    if (folder === undefined) return [];
    const key = ["privkey.pem", "key.pem"].map((name) => join(folder, name)).find((path) => existsSync(path));
    return [{ chain: join(folder, "fullchain.pem"), key: key ?? join(folder, "privkey.pem") }];
  },
  custom(_env, hostname, config) {
    const both = join(config, "ssl", `${hostname}-full.pem`);
    return [{ chain: both, key: both }];
  },
  "self-signed": (_env, hostname, config) => [
    {
      chain: join(config, "ssl", `${hostname}-cert.pem`),
      key: join(config, "ssl", `${hostname}-key.pem`),
    },
  ],
};

/** All certificates of a host, those of SSL_TYPE first. */
export function certificateSources(
  directories: Directories,
  hostname: string,
  env: Environment,
): readonly CertificateSource[] {
  const mode = Object.hasOwn(dmsModes, env.SSL_TYPE ?? "") ? dmsModes[env.SSL_TYPE!] : undefined;
  return [
    ...(mode?.(env, hostname, directories.config) ?? []).map(fileSource),
    ...folders(join(directories.state, "certificates")).map(folderSource),
  ];
}

function folderSource(folder: string): CertificateSource {
  const files = ["fullchain.pem", "privkey.pem", "next-privkey.pem"].map((name) => join(folder, name));
  return { place: folder, files, read: () => readCertificateFolder(folder) };
}

function fileSource({ chain, key }: FilePair): CertificateSource {
  return {
    place: chain,
    files: [chain, key],
    async read() {
      const [chainText, privateKey] = await Promise.all([text(chain), text(key)]);
      const leaf = leafOf(chainText, chain);
      if (!leaf.checkPrivateKey(keyOf(privateKey, key)))
        throw new BrokenCertificate(`${key} is not the key of ${chain}`);
      return { chain: chainText, privateKey, leaf };
    },
  };
}

async function text(file: string): Promise<string> {
  try {
    return await readFile(file, "utf8");
  } catch (error) {
    throw new BrokenCertificate(`${file} cannot be read: ${(error as NodeJS.ErrnoException).code}`);
  }
}

function pair(chain: string | undefined, key: string | undefined): FilePair[] {
  return chain === undefined || key === undefined ? [] : [{ chain, key }];
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
