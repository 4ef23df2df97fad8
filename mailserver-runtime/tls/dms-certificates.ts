/**
 * The certificates of docker-mailserver's SSL_TYPE (setup.d/security/ssl.sh), one row a mode. Where DMS refuses to start for
 * what is missing, it is named here and looked for again: what serves already goes on.
 */
import { existsSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { BrokenCertificate, keyOf, leafOf } from "./certificate-files.ts";
import type { CertificateSource, PairSource } from "./certificate-sources.ts";
import { traefikPair } from "./traefik-store.ts";

export type Environment = Readonly<Record<string, string | undefined>>;

export interface DmsPlaces {
  readonly env: Environment;
  readonly hostname: string;
  readonly config: string;
  /** `/etc/letsencrypt` in DMS. */
  readonly letsencrypt: string;
  /** `/etc/ssl` in DMS. */
  readonly system: string;
}

type DmsSource = Omit<CertificateSource, "id">;
type Mode = (places: DmsPlaces) => DmsSource;

const modes: Readonly<Record<string, Mode>> = {
  letsencrypt: (places) => traefik(places) ?? letsencryptFolder(places),
  manual({ env }) {
    const { SSL_CERT_PATH, SSL_KEY_PATH, SSL_ALT_CERT_PATH, SSL_ALT_KEY_PATH } = env;
    if (!SSL_CERT_PATH || !SSL_KEY_PATH)
      return broken(
        "SSL_TYPE=manual",
        `${SSL_CERT_PATH ? "SSL_KEY_PATH" : "SSL_CERT_PATH"} is not set: manual needs both, inside this container`,
      );
    const first = filePair(SSL_CERT_PATH, SSL_KEY_PATH);
    if (!SSL_ALT_CERT_PATH && !SSL_ALT_KEY_PATH) return { place: SSL_CERT_PATH, pairs: [first] };
    if (SSL_ALT_CERT_PATH && SSL_ALT_KEY_PATH)
      return { place: SSL_CERT_PATH, pairs: [first, filePair(SSL_ALT_CERT_PATH, SSL_ALT_KEY_PATH)] };
    const missing = SSL_ALT_CERT_PATH ? "SSL_ALT_KEY_PATH" : "SSL_ALT_CERT_PATH";
    const alternative = brokenPair(`${missing} is not set: an alternative has both`);
    return { place: SSL_CERT_PATH, pairs: [first, alternative] };
  },
  custom({ hostname, config }) {
    const both = join(config, "ssl", `${hostname}-full.pem`);
    return { place: both, pairs: [filePair(both, both)] };
  },
  "self-signed"({ hostname, config }) {
    const chain = join(config, "ssl", `${hostname}-cert.pem`);
    return { place: chain, pairs: [filePair(chain, join(config, "ssl", `${hostname}-key.pem`))] };
  },
  snakeoil({ system }) {
    const chain = join(system, "certs", "ssl-cert-snakeoil.pem");
    return {
      place: chain,
      pairs: [filePair(chain, join(system, "private", "ssl-cert-snakeoil.key"))],
    };
  },
};

/** What SSL_TYPE says; undefined where it says nothing. */
export function dmsCertificate(places: DmsPlaces): CertificateSource | undefined {
  const type = places.env.SSL_TYPE ?? "";
  if (type === "") return undefined;
  const mode = Object.hasOwn(modes, type) ? modes[type] : undefined;
  const source =
    mode?.(places) ??
    broken("SSL_TYPE", `SSL_TYPE=${type} is not known; there are: ${Object.keys(modes).join(", ")}`);
  return { id: `SSL_TYPE=${type}`, ...source };
}

/** The names DMS looks for, in its order: SSL_DOMAIN, the host's name, its domain. */
function wantedNames({ env, hostname }: DmsPlaces): string[] {
  const domain = hostname.slice(hostname.indexOf(".") + 1);
  return [env.SSL_DOMAIN, hostname, domain].filter((name) => name !== undefined && name !== "") as string[];
}

function traefik(places: DmsPlaces): DmsSource | undefined {
  const file = join(places.letsencrypt, "acme.json");
  if (!existsSync(file)) return undefined;
  const names = wantedNames(places);
  const pair: PairSource = {
    files: [file],
    async read() {
      let found: ReturnType<typeof traefikPair>;
      const stored = await text(file);
      try {
        found = traefikPair(stored, names);
      } catch {
        throw new BrokenCertificate(`${file} is not Traefik's store of certificates`);
      }
      if (found === undefined)
        throw new BrokenCertificate(`${file} has no certificate for ${names.join(" or ")}`);
      return checked(found.chain, `the certificate in ${file}`, found.key, `its key in ${file}`);
    },
  };
  return { place: file, pairs: [pair] };
}

interface FilePair {
  readonly chain: string;
  readonly key: string;
}

/** Where the programs that order certificates put one for a name; those of one program are served side by side. */
const layouts: readonly ((folder: string, name: string) => readonly FilePair[])[] = [
  // certbot, and DMS's own documentation; acme-companion calls the key key.pem.
  (folder, name) =>
    ["privkey.pem", "key.pem"].map((key) => ({
      chain: join(folder, "live", bare(name), "fullchain.pem"),
      key: join(folder, "live", bare(name), key),
    })),
  // lego
  (folder, name) => {
    const base = join(folder, "certificates", name.replace(/^\*/, "_"));
    return [{ chain: `${base}.crt`, key: `${base}.key` }];
  },
  // acme.sh: ECDSA beside RSA
  (folder, name) =>
    ["_ecc", ""].map((kind) => ({
      chain: join(folder, name + kind, "fullchain.cer"),
      key: join(folder, name + kind, `${name}.key`),
    })),
];

function letsencryptFolder(places: DmsPlaces): DmsSource {
  const names = wantedNames(places);
  for (const name of names)
    for (const layout of layouts) {
      const there = layout(places.letsencrypt, name).filter(({ chain }) => existsSync(chain));
      const whole = there.filter(({ key }) => existsSync(key));
      const pairs = whole.length > 0 ? different(whole) : there.slice(0, 1);
      if (pairs.length > 0)
        return { place: pairs[0]!.chain, pairs: pairs.map(({ chain, key }) => filePair(chain, key)) };
    }
  return broken(
    places.letsencrypt,
    `${places.letsencrypt} has no certificate for ${names.map(bare).join(" or ")}: live/<name>/fullchain.pem with privkey.pem or key.pem, or acme.json`,
  );
}

const bare = (name: string) => name.replace(/^\*\./, "");

/** Each certificate once: a folder may have its key under both names. */
function different(pairs: readonly FilePair[]): FilePair[] {
  return pairs.filter(({ chain }, index) => pairs.findIndex((one) => one.chain === chain) === index);
}

function filePair(chain: string, key: string): PairSource {
  return {
    files: [chain, key],
    async read() {
      const [chainText, keyText] = await Promise.all([text(chain), text(key)]);
      return checked(chainText, chain, keyText, key);
    },
  };
}

function checked(chain: string, chainName: string, privateKey: string, keyName: string) {
  const leaf = leafOf(chain, chainName);
  if (!leaf.checkPrivateKey(keyOf(privateKey, keyName)))
    throw new BrokenCertificate(`${keyName} is not the key of ${chainName}`);
  return { chain, privateKey, leaf };
}

async function text(file: string): Promise<string> {
  try {
    return await readFile(file, "utf8");
  } catch (error) {
    throw new BrokenCertificate(`${file} cannot be read: ${(error as NodeJS.ErrnoException).code}`);
  }
}

function broken(place: string, reason: string): DmsSource {
  return { place, pairs: [brokenPair(reason)] };
}

function brokenPair(reason: string): PairSource {
  return {
    files: [],
    async read() {
      throw new BrokenCertificate(reason);
    },
  };
}
