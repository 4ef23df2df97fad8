/**
 * The certificates in use: read from files, chosen by the name a client asks for (SNI, RFC 6066 §3), and
 * swapped in memory when the files change, so that the next handshake on every port gets the new one and no
 * session is dropped.
 *
 * A pair that cannot be served (key and certificate do not fit, not PEM, expired while the present one is
 * not) never replaces one that works: it is named in `status()` and in the log, and the working one stays.
 */

import { X509Certificate } from "node:crypto";
import { statSync } from "node:fs";
import { join } from "node:path";
import { createSecureContext, type SecureContext } from "node:tls";
import type { TlsContexts } from "../net/connection.ts";
import type { Log } from "../net/log.ts";
import type { Directories } from "../settings/directories.ts";
import type { Settings } from "../settings/schema.ts";
import { type CertificateSource, certificateSources } from "./certificate-sources.ts";
import { cipherSuites } from "./cipher-suites.ts";

/** What one certificate's state is, for people. */
export interface CertificateStatus {
  readonly place: string;
  /** Names it is served for; empty when it has never worked. */
  readonly names: readonly string[];
  readonly issuer: string | undefined;
  readonly notAfter: Date | undefined;
  /** What is wrong with the files now; the names above are still served by the last good ones. */
  readonly problem: string | undefined;
}

export interface LoadedTls {
  readonly contexts: TlsContexts;
  /** Reads changed files now. Never throws. */
  reload(): Promise<void>;
  status(): readonly CertificateStatus[];
  close(): void;
}

export interface TlsOptions {
  /** DMS's SSL_TYPE and paths; default none. */
  readonly env?: Readonly<Record<string, string | undefined>>;
  /** Looks at the files this often; default 5 s. 0: only when `reload` is called. */
  readonly pollMs?: number;
}

/** There is no certificate at all: TLS cannot be spoken, and the message says what to do. */
export class NoCertificate extends Error {
  override name = "NoCertificate";
}

interface Held {
  readonly source: CertificateSource;
  readonly signature: string;
  readonly good: Good | undefined;
  readonly problem: string | undefined;
}
interface Good {
  readonly context: SecureContext;
  readonly leaf: X509Certificate;
  readonly names: readonly string[];
}

/** Reads all certificates; one that is broken is named in the log and in `status()`, and never throws here. */
export async function loadTlsContexts(
  directories: Directories,
  settings: Pick<Settings, "hostname" | "tls">,
  log: Log,
  options: TlsOptions = {},
): Promise<LoadedTls> {
  let held: readonly Held[] = [];
  let byName: ReadonlyMap<string, Good> = new Map();
  let fallback: Good | undefined;
  let closed = false;

  async function load(): Promise<void> {
    const sources = certificateSources(directories, settings.hostname, options.env ?? {});
    const next = await Promise.all(
      sources.map((source) =>
        read(
          source,
          held.find((one) => one.source.place === source.place),
          settings,
        ),
      ),
    );
    if (closed || (next.length === held.length && next.every((one, index) => one === held[index]))) return;
    for (const one of next)
      if (one.problem !== undefined && !held.includes(one))
        log.warn({ place: one.source.place, reason: one.problem }, "certificate problem");
    held = next;
    const names = new Map<string, Good>();
    // Sources are in order of precedence: the first who has a name keeps it.
    for (const { good } of next)
      for (const name of good?.names ?? []) if (!names.has(name)) names.set(name, good!);
    byName = names;
    fallback = lookUp(names, settings.hostname) ?? next.find(({ good }) => good !== undefined)?.good;
    log.info({ names: [...names.keys()] }, "certificates in use");
  }

  // One load at a time, or an older one could end last and win.
  let line: Promise<void> = Promise.resolve();
  const reload = () => {
    line = line.then(load).catch((error: unknown) => {
      log.error({ reason: String(error) }, "certificates could not be read; those in use stay");
    });
    return line;
  };
  await reload();
  const pollMs = options.pollMs ?? 5000;
  const timer = pollMs === 0 ? undefined : setInterval(() => void reload(), pollMs).unref();
  return {
    contexts: {
      context(servername) {
        const good = (servername === undefined ? undefined : lookUp(byName, servername)) ?? fallback;
        if (good === undefined)
          throw new NoCertificate(
            `there is no certificate: declare one, or put fullchain.pem and privkey.pem into ${join(directories.state, "certificates", settings.hostname)}`,
          );
        return good.context;
      },
    },
    reload,
    status: () =>
      held.map(({ source, good, problem }) => ({
        place: source.place,
        names: good?.names ?? [],
        issuer: good?.leaf.issuer,
        notAfter: good === undefined ? undefined : new Date(good.leaf.validTo),
        problem,
      })),
    close() {
      closed = true;
      clearInterval(timer);
    },
  };
}

async function read(
  source: CertificateSource,
  before: Held | undefined,
  settings: Pick<Settings, "hostname" | "tls">,
): Promise<Held> {
  const signature = signatureOf(source.files);
  if (before?.signature === signature) return before;
  const keep = (problem: string): Held => ({ source, signature, good: before?.good, problem });
  try {
    const pair = await source.read();
    if (pair === undefined) return keep(`${source.files[0]} is missing`);
    const { chain: cert, privateKey: key, leaf } = pair;
    const names = namesOf(leaf);
    const problem = expiredIn(cert, leaf);
    if (problem !== undefined && before?.good !== undefined && !hasExpired(before.good)) return keep(problem);
    if (before?.good !== undefined && !hasExpired(before.good) && isFor(before.good.names, settings.hostname))
      if (!isFor(names, settings.hostname))
        return keep(`the certificate is for ${names.join(", ")}, not for ${settings.hostname}`);
    const context = createSecureContext({
      cert,
      key,
      ciphers: cipherSuites[settings.tls.level],
      minVersion: "TLSv1.2",
      honorCipherOrder: true,
      dhparam: "auto",
    });
    return { source, signature, good: { context, leaf, names }, problem };
  } catch (error) {
    return keep(error instanceof Error ? error.message : String(error));
  }
}

/** What of a chain has ended; a client would refuse it, whichever certificate it is. */
function expiredIn(chain: string, leaf: X509Certificate): string | undefined {
  if (Date.parse(leaf.validTo) < Date.now()) return `the certificate has expired (${leaf.validTo})`;
  const blocks = chain.match(/-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g) ?? [];
  const ended = blocks
    .slice(1)
    .map((block) => new X509Certificate(block))
    .find(({ validTo }) => Date.parse(validTo) < Date.now());
  return ended && `its chain has expired: ${ended.subject.replaceAll("\n", ", ")} (${ended.validTo})`;
}

function isFor(names: readonly string[], hostname: string): boolean {
  const name = hostname.toLowerCase();
  return names.includes(name) || names.includes(`*.${name.slice(name.indexOf(".") + 1)}`);
}

/** RFC 6125 §6.4.3: the exact name, else a wildcard for its first label. */
function lookUp(names: ReadonlyMap<string, Good>, servername: string): Good | undefined {
  const name = servername.toLowerCase().replace(/\.$/, "");
  return names.get(name) ?? names.get(`*.${name.slice(name.indexOf(".") + 1)}`);
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

function hasExpired({ leaf }: Good): boolean {
  return Date.parse(leaf.validTo) < Date.now();
}

function signatureOf(files: readonly string[]): string {
  return files
    .map((file) => {
      const stats = statSync(file, { throwIfNoEntry: false });
      return stats === undefined ? "-" : `${stats.ino}:${stats.size}:${stats.mtimeMs}`;
    })
    .join(" ");
}
