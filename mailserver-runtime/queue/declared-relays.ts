/**
 * The relays of docker-mailserver's files (postfix-relaymap.cf, postfix-sasl-password.cf) as rules. A login is sent
 * over checked TLS only, and says nothing about the TLS of any other relay or of direct delivery, unlike in the
 * original, where one login forces TLS on all outgoing mail.
 */
import type { Snapshot } from "../config/snapshot.ts";
import { type Relay, type RelayRule, relayChooser } from "./relay.ts";

/** Port of submission with TLS from the first byte (RFC 8314). */
const SUBMISSIONS = 465;

/** Chooses the relay of a recipient by the newest snapshot; the table is made anew only when that changes. */
export function declaredRelays(
  snapshot: () => Snapshot,
): (from: string, recipient: string) => Relay | undefined {
  let of: Snapshot | undefined;
  let choose = relayChooser([]);
  return (from, recipient) => {
    const now = snapshot();
    if (now !== of) {
      of = now;
      choose = relayChooser(relayRules(now));
    }
    return choose(from, recipient);
  };
}

/** One rule for each line of the relay map. */
export function relayRules({ senderRelays, relayLogins }: Snapshot): RelayRule[] {
  return [...(senderRelays?.values() ?? [])].map(({ sender, relay }) => {
    const match = sender.startsWith("@") ? { senderDomain: sender.slice(1) } : { sender };
    if (relay === undefined) return { match, relay: "direct" };
    const login =
      relayLogins?.get(sender) ??
      relayLogins?.get(sender.slice(sender.indexOf("@"))) ??
      relayLogins?.get(`[${relay.host}]:${relay.port}`);
    const tls = relay.port === SUBMISSIONS ? "implicit" : login ? "starttls" : "opportunistic";
    const credentials = login && { username: login.user, password: login.password };
    return { match, relay: { host: relay.host, port: relay.port, tls, ...(credentials && { credentials }) } };
  });
}
