/** Which addresses lead back to this machine. */
import { networkInterfaces } from "node:os";
import { normalAddress } from "./address.ts";

/** How long a list of interfaces is good for. */
const FRESH_MS = 10_000;

/** A test for addresses of this machine's own interfaces; looks at them again when they may have changed. */
export function ownAddresses(): (address: string) => boolean {
  let known = new Set<string>();
  let readAt = Number.NEGATIVE_INFINITY;
  return (address) => {
    if (performance.now() - readAt > FRESH_MS) {
      known = new Set(
        Object.values(networkInterfaces()).flatMap(
          (list) => list?.map((one) => normalAddress(one.address)) ?? [],
        ),
      );
      readAt = performance.now();
    }
    return known.has(normalAddress(address));
  };
}
