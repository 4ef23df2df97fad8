/** What the queue is given so that it knows and keeps what destinations publish about TLS; made from the settings. */
import { readFile } from "node:fs/promises";
import { type ConnectionOptions, getCACertificates } from "node:tls";
import type { Resolver } from "../dns/resolver.ts";
import { openMtaSts } from "../mta-sts/mta-sts.ts";
import type { Log } from "../net/log.ts";
import type { Settings } from "../settings/schema.ts";
import { explainTls } from "./explain-tls.ts";
import type { QueueOptions } from "./options.ts";
import { createRelayDemand, createTlsDemand } from "./tls-demand.ts";

export interface PublishedTlsOptions {
  /** The state directory. */
  readonly directory: string;
  readonly resolver: Resolver;
  readonly settings: () => Settings;
  readonly log: Log;
}
export interface PublishedTls extends Required<Pick<QueueOptions, "tlsDemand" | "relayDemand">> {
  /** What TLS trusts; undefined: Node's own authorities. */
  readonly ca: ConnectionOptions["ca"];
  /** What the hosts of a domain must offer, in words, a line each. */
  explainTls(domain: string): Promise<readonly string[]>;
  close(): void;
}

/** @throws when the file of `delivery.tls.authorities` cannot be read */
export async function openPublishedTls(options: PublishedTlsOptions): Promise<PublishedTls> {
  const { resolver, settings, log } = options;
  const ca = await authorities(settings().delivery.tls.authorities);
  const mtaSts = await openMtaSts({ directory: `${options.directory}/mta-sts`, resolver, log, ca });
  const tlsDemand = createTlsDemand({
    resolver,
    dane: () => settings().delivery.tls.dane,
    mtaSts: () => (settings().delivery.tls.mtaSts ? mtaSts : undefined),
  });
  return {
    ca,
    tlsDemand,
    relayDemand: createRelayDemand({ resolver, dane: () => settings().delivery.tls.dane }),
    explainTls: (domain) => explainTls(domain, { resolver, port: settings().delivery.port, tlsDemand }),
    close: () => mtaSts.close(),
  };
}

async function authorities(file: string | undefined): Promise<string[] | undefined> {
  if (file === undefined) return undefined;
  const text = await readFile(file, "utf8").catch((error: unknown) => {
    throw new Error(`delivery.tls.authorities names ${file}, which cannot be read: ${String(error)}`);
  });
  return [...getCACertificates("default"), text];
}
