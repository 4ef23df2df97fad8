/** The facts of the running server that the HTTP answers are made of. */
import type { Metrics } from "../admin/metrics.ts";
import type { Snapshot } from "../config/snapshot.ts";
import { networkList } from "../net/address.ts";
import type { OpenPort } from "../ports.ts";
import type { Directories } from "../settings/directories.ts";
import type { Protocol } from "../settings/schema.ts";
import { readHttpProof } from "../tls/acme/proof-files.ts";
import { offerOf } from "./offer.ts";
import type { WebFacts } from "./web-facts.ts";

/** Whether a listener speaks HTTP. */
export function isWeb(protocol: Protocol): boolean {
  return protocol === "http" || protocol === "https";
}

export function webFacts(sources: {
  readonly directories: Directories;
  readonly snapshot: () => Snapshot;
  readonly listeners: () => readonly OpenPort[];
  readonly metrics: Pick<Metrics, "text">;
}): WebFacts {
  const { directories, snapshot, metrics } = sources;
  return {
    proof: (token) => readHttpProof(directories.state, token),
    policy(domain) {
      const { mtaSts } = snapshot().settings.web;
      return Object.hasOwn(mtaSts, domain) ? mtaSts[domain] : undefined;
    },
    serves: (domain) => snapshot().domain(domain) !== undefined,
    offer: () => offerOf(snapshot().settings.hostname, snapshot().settings.listeners),
    mayReadMetrics: (client) => networkList(snapshot().settings.web.metricsFrom).has(client),
    metrics: () => metrics.text(),
    get behindProxy() {
      return snapshot().settings.web.behindProxy;
    },
  };
}
