import type { Snapshot } from "../config/snapshot.ts";

/** The domain of names without one: the host's name where that is hosted, else the domain it stands in. */
export function hostDomain(snapshot: Snapshot): string {
  const { hostname } = snapshot.settings;
  if (snapshot.domain(hostname) !== undefined) return hostname;
  const parent = hostname.slice(hostname.indexOf(".") + 1);
  return snapshot.domain(parent) === undefined ? hostname : parent;
}

/** Whether a domain is the machine's own name, whose names are those of postfix-aliases.cf (Postfix's mydestination). */
export function isHostItself(snapshot: Snapshot, domain: string): boolean {
  return domain === snapshot.settings.hostname.toLowerCase() || domain === "localhost";
}
