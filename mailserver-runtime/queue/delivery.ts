/**
 * One attempt: a message's recipients of one destination, over a connection that is there or over new ones.
 *
 * Hosts are tried in their order until one takes the message (RFC 5321 §5.1). A connection that the server closed while
 * it waited for work is no failure: the message goes over a fresh one. Recipients that a server refuses as too many are
 * sent in the next transaction on the same connection.
 */
import { readFile } from "node:fs/promises";
import type { ConnectionOptions } from "node:tls";
import type { Resolver } from "../dns/resolver.ts";
import { domainOf } from "../message/address.ts";
import type { Extensions } from "./client/extensions.ts";
import { RequireTlsNotOffered, requiredDemand, unmetRequirement } from "./client/require-tls.ts";
import { SmtpSession, type Timeouts } from "./client/session.ts";
import { findTargets, type IsOurself, type RemoteDestination, type Target } from "./client/targets.ts";
import { tlsFailureOf } from "./client/tls-error.ts";
import {
  opportunisticDemand,
  type TlsDemand,
  type TlsFailure,
  type TlsOutcome,
  tlsWords,
} from "./client/tls-policy.ts";
import {
  type OutgoingMessage,
  type OutgoingRecipient,
  type TransactionResult,
  transact,
} from "./client/transaction.ts";
import { ClientError } from "./client/wire.ts";
import type { Unreachable } from "./lane.ts";
import type { Result } from "./message-state.ts";
import type { Pace } from "./pace.ts";
import type { Relay } from "./relay.ts";
import { asksNothing, type RestingSessions } from "./resting-sessions.ts";
import type { Sources } from "./source-addresses.ts";

export interface DeliveryContext {
  readonly resolver: Resolver;
  readonly hostname: string;
  readonly port: number;
  readonly sources: Sources;
  readonly isOurself: IsOurself;
  /** What a destination's host must offer; asked for each new connection. */
  readonly tlsDemand: (domain: string, target: Target) => Promise<TlsDemand>;
  /** What a relay's host has published; undefined: nothing. */
  readonly relayDemand: (relay: string, target: Target) => Promise<TlsDemand | undefined>;
  readonly onTls?: (attempt: TlsAttempt) => void;
  /** Sessions that other domains have left. */
  readonly sessions: RestingSessions;
  readonly ca: ConnectionOptions["ca"];
  readonly timeouts: Timeouts;
  readonly signal: AbortSignal;
  /**
   * Told of each result once, by the recipients' places, before anything else happens: what a server has said must not
   * be forgotten over what is still to be sent.
   */
  readonly onResults: (places: readonly number[], results: readonly Result[]) => void;
  /** Asked before a connection is made to these hosts; anything but undefined keeps it from being made. */
  readonly admit: (targets: readonly Target[]) => Held | undefined;
  /** Told of the hosts that DNS named for a destination, and after how many milliseconds. */
  readonly onHosts?: (domain: string, targets: readonly Target[], ms: number) => void;
}
/** How TLS went with one host of a destination. */
export interface TlsAttempt {
  /** The recipients' domain. */
  readonly domain: string;
  readonly target: Target;
  readonly demand: TlsDemand;
  /** undefined: no session came of it. */
  readonly outcome: TlsOutcome | undefined;
  /** What was wrong, be it enough to give up or not. */
  readonly failure: TlsFailure | undefined;
}
export interface Attempt {
  /** A connection that may be used again. */
  readonly session: SmtpSession | undefined;
  /** No host could be reached at all; nothing has been said of the recipients then. */
  readonly unreachable: Unreachable | undefined;
  /** No connection was to be made now; recipients of whom nothing has been said wait. */
  readonly held: Held | undefined;
  /** The server may have taken the message though we do not know (RFC 1047). */
  readonly uncertain: boolean;
}

/** Why a connection is not made now. */
export type Held =
  | { readonly kind: "wait"; readonly until: number; readonly why: string; readonly warmUp: boolean }
  /** The receiver has as many connections of ours as it may have. */
  | { readonly kind: "crowded"; readonly receiver: Pace };

/** Connections made for one attempt. */
const MAX_SESSIONS = 4;

/** Never throws for what DNS or a server does. */
export async function attempt(
  destination: RemoteDestination,
  message: OutgoingMessage,
  recipients: readonly OutgoingRecipient[],
  open: SmtpSession | undefined,
  context: DeliveryContext,
): Promise<Attempt> {
  const missing = new Set(recipients.keys());
  const tried = new Set<string>();
  let session = open;
  let uncertain = false;
  // What is said of recipients that no transaction has settled in the end.
  let rest: Result = temporaryResult("4.4.2", "the connection was lost too often");
  for (let sessions = 0; missing.size > 0; ) {
    let reused = session?.usable === true;
    if (session === undefined || !reused) {
      session?.close();
      session = undefined;
      if (sessions === MAX_SESSIONS) break;
      const opened = await openSession(destination, tried, context);
      if ("kind" in opened) return { session, unreachable: undefined, uncertain, held: opened };
      if (!(opened instanceof SmtpSession)) {
        if (sessions === 0 && opened.outcome === "temporary")
          return { session, unreachable: opened, uncertain, held: undefined };
        if (sessions === 0) rest = { ...opened, replied: false };
        break;
      }
      session = opened;
      reused = opened.transactions > 0;
      sessions += 1;
    }
    const batch = fitting([...missing], recipients, session.extensions);
    const done = await transact(
      session,
      message,
      batch.map((index) => recipients[index]!),
    );
    const remote = `${session.host}[${session.address}]:${session.port}`;
    const tls = tlsWords(session.tls);
    const withoutDsn = !session.extensions.dsn;
    uncertain ||= done.uncertain;
    if (wasLost(done)) {
      rest = { ...done.results[0]!, remote, tls };
      if (!reused) tried.add(session.address);
    } else {
      const stuck = done.results.every(({ tooMany }) => tooMany);
      const known = [...batch.keys()].filter((at) => stuck || done.results[at]!.tooMany !== true);
      for (const at of known) missing.delete(batch[at]!);
      context.onResults(
        known.map((at) => batch[at]!),
        known.map((at) => {
          const { tooMany: _, ...result } = done.results[at]!;
          return { ...result, remote, tls, withoutDsn };
        }),
      );
    }
    if (done.reusable) continue;
    session.close();
    session = undefined;
  }
  const left = [...missing];
  if (left.length > 0)
    context.onResults(
      left,
      left.map(() => rest),
    );
  return { session, unreachable: undefined, uncertain, held: undefined };
}

/** The first recipients that one transaction may have (RFC 9422 RCPTMAX, RCPTDOMAINMAX). */
function fitting(
  places: readonly number[],
  recipients: readonly OutgoingRecipient[],
  { recipientLimit, recipientDomainLimit }: Extensions,
): readonly number[] {
  const domains = new Set<string>();
  const batch: number[] = [];
  for (const place of places) {
    if (batch.length === recipientLimit) break;
    const domain = domainOf(recipients[place]!.address).toLowerCase();
    if (!domains.has(domain) && domains.size === recipientDomainLimit) continue;
    domains.add(domain);
    batch.push(place);
  }
  return batch;
}
/** The connection ended before the final dot and nobody said why: another host may do better. */
const wasLost = (done: TransactionResult): boolean =>
  !done.reusable &&
  !done.uncertain &&
  done.results.every(({ replied, outcome }) => !replied && outcome === "temporary");

const temporaryResult = (status: string, text: string): Result => ({
  outcome: "temporary",
  status,
  text,
  replied: false,
});

interface OpenFailure extends Unreachable {
  readonly outcome: "temporary" | "permanent";
}

async function openSession(
  destination: RemoteDestination,
  tried: Set<string>,
  context: DeliveryContext,
): Promise<SmtpSession | OpenFailure | Held> {
  const begin = performance.now();
  const found = await findTargets(destination, context);
  if (found.kind === "targets" && destination.kind === "mx")
    context.onHosts?.(destination.domain, found.targets, performance.now() - begin);
  if (found.kind !== "targets") return { outcome: found.kind, status: found.status, text: found.text };
  const held = context.admit(found.targets);
  if (held !== undefined) return held;
  const failures: string[] = [];
  let status = "4.4.1";
  // With REQUIRETLS: what every host so far lacks of it (RFC 8689 §4.2.1); undefined when one failed otherwise.
  let unmet: string | undefined = destination.tls === "required" ? "5.7.10" : undefined;
  for (const target of found.targets) {
    if (tried.has(target.address)) continue;
    tried.add(target.address);
    try {
      const session = await openTo(destination, target, context);
      tried.delete(target.address);
      return session;
    } catch (error) {
      if (!(error instanceof ClientError)) throw error;
      status = error.problem === "tls" ? "4.7.5" : (error.reply?.enhanced?.replace(/^5/, "4") ?? "4.4.1");
      unmet &&= unmetRequirement(error);
      failures.push(`${target.host}[${target.address}]:${target.port}: ${error.message}`);
    }
  }
  const text = failures.length === 0 ? "no other host is left to try" : failures.slice(-3).join("; ");
  if (unmet !== undefined && failures.length > 0) return { outcome: "permanent", status: unmet, text };
  return { outcome: "temporary", status, text };
}

/** A session as safe as the destination and the messages on it want. @throws {ClientError} */
async function openTo(
  destination: RemoteDestination,
  target: Target,
  context: DeliveryContext,
): Promise<SmtpSession> {
  const { hostname, ca, timeouts, signal } = context;
  const demand = await demandOf(destination, target, context);
  const { policy, observed } = demand;
  const common = { ...target, hostname, ca, timeouts, signal, policy, observed };
  if (destination.kind === "relay") {
    const { relay } = destination;
    const session = await SmtpSession.open({
      ...common,
      ...(relay.caFile !== undefined && { ca: await authoritiesOf(relay.host, relay.caFile) }),
      implicitTls: relay.tls === "implicit",
      credentials: relay.credentials,
    });
    return kept(session, destination);
  }
  // What goes out as TLS-Required: No says nothing about the destination's policy, and TLS reports are sent that way.
  const onTls = destination.tls === "optional" ? undefined : context.onTls;
  const { domain } = destination;
  const shared = destination.tls === undefined && asksNothing(demand);
  const resting = shared ? context.sessions.take(target) : undefined;
  if (resting !== undefined) return resting;
  context.sessions.makeRoom(target);
  try {
    const session = await SmtpSession.open(common);
    if (shared) context.sessions.share(session, target);
    onTls?.({ domain, target, demand, outcome: session.tls, failure: session.tls.failure });
    return kept(session, destination);
  } catch (error) {
    const failure = tlsFailureOf(error);
    if (failure !== undefined) onTls?.({ domain, target, demand, outcome: undefined, failure });
    throw error;
  }
}

/** The authorities that a relay's certificate is checked against, and no others. @throws {ClientError} */
async function authoritiesOf(host: string, file: string): Promise<string> {
  return readFile(file, "utf8").catch((error: Error) => {
    throw new ClientError("tls", `the authorities of the relay ${host} cannot be read: ${error.message}`);
  });
}
/** A session that keeps the messages' REQUIRETLS, where they have it. */
function kept(session: SmtpSession, { tls }: RemoteDestination): SmtpSession {
  if (tls !== "required" || session.keepsTls) return session;
  session.close();
  throw new RequireTlsNotOffered(session.host);
}

async function demandOf(
  destination: RemoteDestination,
  target: Target,
  context: DeliveryContext,
): Promise<TlsDemand> {
  const { tls } = destination;
  if (destination.kind === "mx") {
    if (tls === "optional") return opportunisticDemand;
    const demand = await context.tlsDemand(destination.domain, target);
    return tls === "required" ? requiredDemand(demand, target.host) : demand;
  }
  const { relay } = destination;
  // Whoever names the authority of a relay has said who vouches for it; else its DNS may (RFC 7672 §1.3.2).
  const published = relay.caFile === undefined ? await context.relayDemand(relay.host, target) : undefined;
  const isEnough = published?.policy.level === "judge" || published?.policy.level === "refuse";
  if (published !== undefined && isEnough) return published;
  // A relay's name is the operator's word.
  const verified: TlsDemand = {
    ...opportunisticDemand,
    policy: { level: "verify", names: relayNames(relay, target) },
    hostAuthenticated: true,
  };
  return relay.tls === "opportunistic" && tls !== "required" ? (published ?? opportunisticDemand) : verified;
}

/**
 * Names that a relay's certificate may have: its own, and that of an MX host which lies below it or which DNSSEC
 * vouches for. Any other MX name is only what some DNS answer said, and no login is sent on its word.
 */
function relayNames({ host }: Relay, target: Target): readonly string[] {
  const related = target.host.endsWith(`.${host}`);
  return related || target.secure ? [host, target.host] : [host];
}
