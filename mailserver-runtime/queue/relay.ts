/**
 * Relay hosts (smarthosts) as objects, and the rules that say whose mail goes through which.
 *
 * A relay carries its own port, its own TLS and its own login, so that one relay's login changes nothing for another or
 * for direct delivery. The most specific rule wins: recipient domain, sender address, sender domain, then the rule for
 * everything else; `direct` says that no relay is to be used, and is how a domain leaves a general rule.
 */
import { canonicalAddress, domainOf } from "../message/address.ts";
import type { Credentials } from "./client/auth.ts";

export interface Relay {
  /** Host name or address; its MX records are not asked for. */
  readonly host: string;
  readonly port: number;
  /** `implicit`: TLS from the first byte. `starttls`: required, certificate checked. `opportunistic`: as to any MX. */
  readonly tls: "implicit" | "starttls" | "opportunistic";
  readonly credentials?: Credentials;
}
export interface RelayRule {
  /** Exactly one is given, or none: the rule for everything else. */
  readonly match: {
    readonly recipientDomain?: string;
    readonly sender?: string;
    readonly senderDomain?: string;
  };
  readonly relay: Relay | "direct";
}

/** Picks the relay for one recipient; undefined: deliver to the MX. Built once from the rules, constant time after. */
export function relayChooser(
  rules: readonly RelayRule[],
): (from: string, recipient: string) => Relay | undefined {
  const table = new Map<string, Relay | "direct">();
  for (const { match, relay } of rules) {
    const key =
      match.recipientDomain !== undefined
        ? `recipient @${match.recipientDomain.toLowerCase()}`
        : match.sender !== undefined
          ? `sender ${canonicalAddress(match.sender) ?? match.sender}`
          : match.senderDomain !== undefined
            ? `sender @${match.senderDomain.toLowerCase()}`
            : "rest";
    if (!table.has(key)) table.set(key, relay);
  }
  return (from, recipient) => {
    const sender = canonicalAddress(from) ?? from;
    const found =
      table.get(`recipient @${domainOf(recipient).toLowerCase()}`) ??
      table.get(`sender ${sender}`) ??
      table.get(`sender @${domainOf(sender)}`) ??
      table.get("rest");
    return found === "direct" ? undefined : found;
  };
}

/** A text that is equal for relays that may share connections: another login is another connection. */
export function relayKey(relay: Relay): string {
  return `relay ${relay.credentials?.username ?? ""}@[${relay.host}]:${relay.port} ${relay.tls}`;
}
