/**
 * The relays that the administrator declared, as rules: those of the stack, then docker-mailserver's files
 * (postfix-relaymap.cf, postfix-sasl-password.cf), then its variables (RELAY_HOST for hosted senders, DEFAULT_RELAY_HOST
 * for the rest). A login is sent over checked TLS only, and says nothing about the TLS of any other relay or of direct
 * delivery, unlike in the original, where one login forces TLS on all outgoing mail.
 *
 * Logins of the DMS files are looked up as Postfix does (smtp_sender_dependent_authentication): by the sender's address,
 * by its domain, and by the relay in each form in which it may be written.
 */
import { parseRelayHost, type RelayHost } from "../config/dms/relays.ts";
import type { Origin, Snapshot, StackRelay } from "../config/snapshot.ts";
import type { Credentials } from "./client/auth.ts";
import { type Relay, type RelayChooser, type RelayRule, relayChooser, withLogin } from "./relay.ts";

/** Port of submission with TLS from the first byte (RFC 8314). */
const SUBMISSIONS = 465;

/** Chooses the relay of a recipient by the newest snapshot; the table is made anew only when that changes. */
export function declaredRelays(snapshot: () => Snapshot): RelayChooser {
  return (from, recipient) => relaysOf(snapshot())(from, recipient);
}

const choosers = new WeakMap<Snapshot, RelayChooser>();

/** The chooser of one snapshot, made once. */
export function relaysOf(snapshot: Snapshot): RelayChooser {
  const known = choosers.get(snapshot);
  if (known !== undefined) return known;
  const made = relayChooser(relayRules(snapshot), (domain) => snapshot.domain(domain) !== undefined);
  choosers.set(snapshot, made);
  return made;
}

/** Every rule of a snapshot, those that win first. */
export function relayRules(snapshot: Snapshot): RelayRule[] {
  return [
    ...(snapshot.stackRelays ?? []).flatMap(stackRules),
    ...transportRules(snapshot),
    ...fileRules(snapshot),
    ...variableRules(snapshot),
  ];
}

function stackRules({ match, relay, origin }: StackRelay): RelayRule[] {
  const matches = [
    ...match.recipientDomains.map((recipientDomain) => ({ recipientDomain })),
    ...match.senders.map((sender) => ({ sender })),
    ...match.senderDomains.map((senderDomain) => ({ senderDomain })),
  ];
  const to: Relay | "direct" = relay === undefined ? "direct" : relay;
  return (matches.length === 0 ? [{}] : matches).map((one) => ({ match: one, relay: to, origin }));
}

/** One rule for each domain of transport_maps. */
function transportRules(snapshot: Snapshot): RelayRule[] {
  return (snapshot.recipientRelays ?? []).map(({ domain, relay, origin }) => {
    const match = { recipientDomain: domain };
    return relay === undefined
      ? { match, relay: "direct", origin }
      : { match, origin, ...relayWithLogins(relay, snapshot) };
  });
}

/** One rule for each line of the relay map. */
function fileRules(snapshot: Snapshot): RelayRule[] {
  return [...(snapshot.senderRelays?.values() ?? [])].map(({ sender, relay, origin }) => {
    const match = sender.startsWith("@") ? { senderDomain: sender.slice(1) } : { sender };
    return relay === undefined
      ? { match, relay: "direct", origin }
      : { match, origin, ...relayWithLogins(relay, snapshot) };
  });
}

function variableRules(snapshot: Snapshot): RelayRule[] {
  const { host, port, user, password, defaultHost, tls } = snapshot.settings.relay;
  const rules: RelayRule[] = [];
  const named = host === undefined ? undefined : parsed(host);
  if (named !== undefined) {
    // RELAY_HOST stands in brackets in DMS's relay map: the host itself is meant, not its MX.
    const to = { ...named, port: port === 25 ? named.port : port, lookupMx: false };
    const own = user === undefined || password === undefined ? undefined : { username: user, password };
    rules.push({
      match: { hostedSender: true },
      origin: variable("RELAY_HOST"),
      ...relayWithLogins({ ...to, tls }, snapshot, own),
    });
  }
  const rest = defaultHost === undefined ? undefined : parsed(defaultHost);
  if (rest !== undefined)
    rules.push({
      match: {},
      origin: variable("DEFAULT_RELAY_HOST"),
      ...relayWithLogins({ ...rest, tls }, snapshot),
    });
  return rules;
}

function relayWithLogins(
  to: RelayHost & { readonly tls?: Relay["tls"] | undefined },
  { relayLogins, settings }: Snapshot,
  own?: Credentials,
): Pick<RelayRule, "relay" | "loginOf"> {
  const find = (key: string): Credentials | undefined => {
    const login = relayLogins?.get(key);
    return login && { username: login.user, password: login.password };
  };
  const forms = [`[${to.host}]:${to.port}`, `${to.host}:${to.port}`, `[${to.host}]`, to.host];
  const login = forms.map(find).find((found) => found !== undefined) ?? own;
  const relay: Relay = {
    host: to.host,
    port: to.port,
    tls: to.tls ?? (to.port === SUBMISSIONS ? "implicit" : "opportunistic"),
    ...(to.lookupMx && { lookupMx: true }),
    ...(settings.relay.caFile !== undefined && { caFile: settings.relay.caFile }),
  };
  return {
    relay: login === undefined ? relay : withLogin(relay, login),
    loginOf: (sender) => find(sender) ?? find(sender.slice(sender.lastIndexOf("@"))),
  };
}

/** What cannot be read is a problem of the configuration, and no rule. */
function parsed(text: string): RelayHost | undefined {
  try {
    return parseRelayHost(text);
  } catch {
    return undefined;
  }
}

const variable = (name: string): Origin => ({ file: `environment ${name}`, line: 0, owner: "setup" });

/**
 * The relay that takes what a receiver is not to have today (`delivery.warmUp.relay`): one that the stack declares by this
 * name or with this host and port, login included, else the host itself with its login of the DMS files.
 */
export function overflowRelay(snapshot: Snapshot): Relay | undefined {
  const named = snapshot.settings.delivery.warmUp.relay;
  const to = named === undefined ? undefined : parsed(named);
  if (to === undefined) return undefined;
  const declared = snapshot.stackRelays?.find(
    ({ name, relay }) => name === named || (relay?.host.toLowerCase() === to.host && relay.port === to.port),
  );
  const { relay } = declared?.relay === undefined ? relayWithLogins(to, snapshot) : { relay: declared.relay };
  return relay === "direct" ? undefined : relay;
}
