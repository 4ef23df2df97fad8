/** The SRS rewriter that a snapshot's settings ask for, made once for each snapshot. */
import type { Snapshot } from "../config/snapshot.ts";
import { hostDomain } from "./host-domain.ts";
import { createSrs, type Srs } from "./srs.ts";

/**
 * `kept` are the secrets of the state directory. Declared ones sign in their place; the kept ones go on verifying, so that
 * bounces of yesterday's forwards come back. Addresses are taken back also where rewriting is switched off.
 */
export function srsBySettings(kept: readonly string[]): (snapshot: Snapshot) => Srs {
  const made = new WeakMap<Snapshot, Srs>();
  return (snapshot) => {
    const known = made.get(snapshot);
    if (known !== undefined) return known;
    const { domain, secrets, excludeDomains } = snapshot.settings.srs;
    const excluded = excludeDomains.map((name) => name.toLowerCase());
    const srs = createSrs({
      secrets: [...secrets, ...kept],
      domain: domain?.toLowerCase() ?? hostDomain(snapshot),
      isOurs: (name) =>
        snapshot.domain(name) !== undefined ||
        excluded.some((one) => (one.startsWith(".") ? name.endsWith(one) : name === one)),
    });
    made.set(snapshot, srs);
    return srs;
  };
}
