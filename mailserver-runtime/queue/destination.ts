/** Where a recipient's mail goes from the queue. */
import type { RemoteDestination } from "./client/targets.ts";
import { relayKey } from "./relay.ts";

export type Destination =
  | RemoteDestination
  /** A mailbox here, whose store failed when the mail came (DESIGN D8). */
  | { readonly kind: "local" };

/** Equal for recipients that may share connections. */
export function destinationKey(destination: Destination): string {
  switch (destination.kind) {
    case "local":
      return "local";
    case "relay":
      return relayKey(destination.relay);
    case "mx":
      return `mx ${destination.domain.toLowerCase()}`;
  }
}
