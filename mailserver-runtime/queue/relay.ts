/**
 * Relay hosts (smarthosts) as objects, and the rules that say whose mail goes through which.
 *
 * A relay carries its own port, its own TLS and its own login, so that one relay's login changes nothing for another or
 * for direct delivery. The most specific rule wins: recipient domain, sender address, sender domain, hosted senders, then
 * the rule for everything else; `direct` says that no relay is to be used, and is how a domain leaves a general rule.
 */
import { createHash } from "node:crypto";
import type { Origin } from "../config/snapshot.ts";
import { canonicalAddress, domainOf } from "../message/address.ts";
import type { Credentials } from "./client/auth.ts";

export interface Relay {
  /** Host name or address. */
  readonly host: string;
  readonly port: number;
  /** `implicit`: TLS from the first byte. `starttls`: required, certificate checked. `opportunistic`: as to any MX. */
  readonly tls: "implicit" | "starttls" | "opportunistic";
  /** The host's MX records are asked for first, as Postfix does where no brackets stand around the host. */
  readonly lookupMx?: boolean;
  readonly credentials?: Credentials;
  /** File with certificates (PEM) of the authorities that its certificate is checked against, instead of the usual ones. */
  readonly caFile?: string;
}
export interface RelayMatch {
  readonly recipientDomain?: string;
  readonly sender?: string;
  readonly senderDomain?: string;
  /** Every sender of a hosted domain, and this server's own reports, which have no sender. */
  readonly hostedSender?: true;
}
export interface RelayRule {
  /** Exactly one member is given, or none: the rule for everything else. */
  readonly match: RelayMatch;
  readonly relay: Relay | "direct";
  /** Where the rule stands. */
  readonly origin?: Origin;
  /** Another login for a sender at this relay, where senders have logins of their own. */
  readonly loginOf?: (sender: string) => Credentials | undefined;
}
/** The rule that speaks of a recipient, and the relay with the login that counts; undefined: deliver to the MX. */
export interface ChosenRelay {
  readonly relay: Relay | undefined;
  readonly rule: RelayRule | undefined;
}
export type RelayChooser = (from: string, recipient: string) => ChosenRelay;

/** Picks the relay for one recipient. Built once from the rules, constant time after. Of equal rules the first stands. */
export function relayChooser(
  rules: readonly RelayRule[],
  isHosted: (domain: string) => boolean = () => false,
): RelayChooser {
  const table = new Map<string, RelayRule>();
  for (const rule of rules) {
    const key = matchKey(rule.match);
    if (!table.has(key)) table.set(key, rule);
  }
  return (from, recipient) => {
    const sender = canonicalAddress(from) ?? from;
    const rule =
      table.get(`recipient @${domainOf(recipient).toLowerCase()}`) ??
      table.get(`sender ${sender}`) ??
      table.get(`sender @${domainOf(sender)}`) ??
      (from === "" || isHosted(domainOf(sender)) ? table.get("hosted") : undefined) ??
      table.get("rest");
    if (rule === undefined || rule.relay === "direct") return { relay: undefined, rule };
    const credentials = rule.loginOf?.(sender);
    const relay = credentials === undefined ? rule.relay : withLogin(rule.relay, credentials);
    return { relay, rule };
  };
}

/** What tells rules apart: two with the same key speak of the same mail. */
export function matchKey(match: RelayMatch): string {
  if (match.recipientDomain !== undefined) return `recipient @${match.recipientDomain.toLowerCase()}`;
  if (match.sender !== undefined) return `sender ${canonicalAddress(match.sender) ?? match.sender}`;
  if (match.senderDomain !== undefined) return `sender @${match.senderDomain.toLowerCase()}`;
  return match.hostedSender === true ? "hosted" : "rest";
}

/** A login is never sent without checked TLS. */
export function withLogin(relay: Relay, credentials: Credentials): Relay {
  return { ...relay, tls: relay.tls === "opportunistic" ? "starttls" : relay.tls, credentials };
}

/** A text that is equal for relays that may share connections: another login is another connection. */
export function relayKey(relay: Relay): string {
  const { credentials } = relay;
  const login =
    credentials === undefined
      ? ""
      : `${credentials.username}#${createHash("sha256").update(credentials.password).digest("hex").slice(0, 12)}`;
  return `relay ${login}@[${relay.host}]:${relay.port} ${relay.tls}${relay.lookupMx === true ? " mx" : ""} ${relay.caFile ?? ""}`;
}
