/**
 * The certificates in use: read from files, chosen by the name a client asks for (SNI, RFC 6066 §3), and
 * swapped in memory when the files change, so that the next handshake on every port gets the new one and no
 * session is dropped.
 *
 * A pair that cannot be served (key and certificate do not fit, not PEM, expired while the present one is
 * not) never replaces one that works: it is named in `status()` and in the log, and the working one stays.
 */

import { join } from "node:path";
import type { TlsContexts } from "../net/connection.ts";
import type { Log } from "../net/log.ts";
import type { Directories } from "../settings/directories.ts";
import type { Settings } from "../settings/schema.ts";
import { certificateSources } from "./certificate-sources.ts";
import { type Good, type Held, holdCertificate } from "./served-certificate.ts";

/** What one certificate's state is, for people. */
export interface CertificateStatus {
  readonly place: string;
  /** Names it is served for; empty when it has never worked. */
  readonly names: readonly string[];
  readonly issuer: string | undefined;
  /** Of the one that ends first. */
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
  /** Where DMS's modes look; default `/etc/letsencrypt` and `/etc/ssl`. */
  readonly letsencrypt?: string;
  readonly system?: string;
  /** Looks at the files this often; default 5 s. 0: only when `reload` is called. */
  readonly pollMs?: number;
}

/** There is no certificate at all: TLS cannot be spoken, and the message says what to do. */
export class NoCertificate extends Error {
  override name = "NoCertificate";
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
    const sources = certificateSources({
      directories,
      hostname: settings.hostname,
      env: options.env ?? {},
      letsencrypt: options.letsencrypt ?? "/etc/letsencrypt",
      system: options.system ?? "/etc/ssl",
    });
    const next = await Promise.all(
      sources.map((source) => {
        const before = held.find((one) => one.source.id === source.id);
        return holdCertificate(source, before, settings);
      }),
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
        issuer: good?.leaves[0]?.issuer,
        notAfter: good && new Date(Math.min(...good.leaves.map(({ validTo }) => Date.parse(validTo)))),
        problem,
      })),
    close() {
      closed = true;
      clearInterval(timer);
    },
  };
}

/** RFC 6125 §6.4.3: the exact name, else a wildcard for its first label. */
function lookUp(names: ReadonlyMap<string, Good>, servername: string): Good | undefined {
  const name = servername.toLowerCase().replace(/\.$/, "");
  return names.get(name) ?? names.get(`*.${name.slice(name.indexOf(".") + 1)}`);
}
