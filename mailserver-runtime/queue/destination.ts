/** Where a recipient's mail goes from the queue. */
import type { RemoteDestination } from "./client/targets.ts";
import type { Envelope } from "./queue.ts";
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
      return `${relayKey(destination.relay)} ${destination.tls ?? ""}`;
    case "mx":
      return `mx ${destination.domain.toLowerCase()} ${destination.tls ?? ""}`;
  }
}

/** What a destination's ceilings are declared under: its domain, or its relay's host. */
export function destinationName(destination: Destination): string {
  switch (destination.kind) {
    case "local":
      return "local";
    case "relay":
      return destination.relay.host.toLowerCase();
    case "mx":
      return destination.domain.toLowerCase();
  }
}

/**
 * What a message itself asks of TLS (RFC 8689). REQUIRETLS wins over `TLS-Required: No` (§3). A report about a message
 * with REQUIRETLS has it too, but is not lost for want of it (§5): it goes as the destination's own policy says.
 */
export function wishOf({ from, requireTls, tlsOptional }: Envelope): RemoteDestination["tls"] {
  if (requireTls === true) return from === "" ? undefined : "required";
  return tlsOptional === true ? "optional" : undefined;
}
