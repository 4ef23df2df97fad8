/**
 * The way of an address in words, for `mailkeep explain <address> [--from <sender>]`: every step with the file and line it
 * comes from, and what happens at its end, the refused ways among them; who gets copies; by which relay or MX it leaves,
 * and with which sender.
 */
import type { AccessEntry, Origin, Snapshot } from "../config/snapshot.ts";
import { domainOf, parseAddress } from "../message/address.ts";
import type { RelayChooser } from "../queue/relay.ts";
import { recipientEntry, senderEntry, senderRefusal } from "./access.ts";
import { copiesOf } from "./copies.ts";
import type { Route, Step } from "./route.ts";
import { everyRoute, routeRecipient } from "./routing.ts";
import type { Srs } from "./srs.ts";

export interface ExplainOptions {
  /** The reverse-path: its access list entry, its relay and its rewriting are told, too. */
  readonly from?: string;
  readonly srs?: Srs;
  readonly relayOf?: RelayChooser;
}

/**
 * Lines without line ends, for a terminal: the address, then a block for each way.
 *
 * ```
 * sales@example.org
 *   alias            sales@example.org → ann@example.org   (postfix-virtual.cf:3, setup)
 *   account          ann@example.org                       (postfix-accounts.cf:1, setup)
 *   = delivered to the mailbox of ann@example.org
 * ```
 */
export function explain(
  snapshot: Snapshot,
  address: string,
  options: ExplainOptions = {},
): readonly string[] {
  const context = { srs: options.srs };
  const routes = everyRoute(snapshot, address, context);
  const answered = routeRecipient(snapshot, address, context);
  const nothingWorks = answered.every((route) => route.kind === "refused");
  const open = nothingWorks ? [] : copyLines(snapshot, address, options);
  return [
    address,
    ...senderLines(snapshot, options.from),
    ...accessLines(snapshot, address),
    ...routes.flatMap((route) => lines(snapshot, route, nothingWorks, options)),
    ...open,
  ];
}

/** The domains whose MX gets mail for this address, by no relay. */
export function directDestinations(
  snapshot: Snapshot,
  address: string,
  { from = "", srs, relayOf }: ExplainOptions,
): readonly string[] {
  const domains = routeRecipient(snapshot, address, { srs }).flatMap((route) => {
    const direct = route.kind === "remote" && relayOf?.(from, route.address).relay === undefined;
    return direct ? [domainOf(route.address)] : [];
  });
  return [...new Set(domains)];
}

function lines(
  snapshot: Snapshot,
  route: Route,
  nothingWorks: boolean,
  options: ExplainOptions,
): readonly string[] {
  const steps = route.via.map((step) => `  ${stepLine(step)}`);
  const leaving = route.kind === "remote" ? leavingLines(snapshot, route, options) : [];
  return [...steps, ...leaving, `  = ${ending(route, nothingWorks)}`];
}

function stepLine(step: Step): string {
  const way = step.from === step.to ? step.to : `${step.from} → ${step.to}`;
  return line(step.rule, way, step.origin);
}

function line(rule: string, words: string, origin: Origin | undefined): string {
  return `${rule.padEnd(15)} ${words}${origin === undefined ? "" : `   (${place(origin)})`}`;
}

const place = (origin: Origin): string => {
  const where = origin.line === 0 ? origin.file : `${origin.file}:${origin.line}`;
  return `${where}, ${origin.owner}${origin.urn === undefined ? "" : ` ${origin.urn}`}`;
};

function senderLines(snapshot: Snapshot, from: string | undefined): readonly string[] {
  if (from === undefined) return [];
  const sender = from === "" ? "<>" : from;
  const entry = senderEntry(snapshot, from);
  if (entry === undefined) return [`  ${line("sender", sender, undefined)}`];
  const refusal = senderRefusal(snapshot, from);
  const words =
    refusal === undefined ? "let through" : `refused: ${refusal.code} ${refusal.status} ${refusal.text}`;
  return [`  ${line("sender", `${sender} is ${words}`, entry.origin)}`];
}

function accessLines(snapshot: Snapshot, address: string): readonly string[] {
  const parsed = parseAddress(address);
  const entry: AccessEntry | undefined = parsed && recipientEntry(snapshot, parsed);
  if (entry === undefined) return [];
  const words = entry.action === "accept" ? "let through" : "refused to everybody";
  return [`  ${line("access list", `${address} is ${words}`, entry.origin)}`];
}

/** With which sender a message leaves, and by which host. */
function leavingLines(
  snapshot: Snapshot,
  route: Extract<Route, { readonly kind: "remote" }>,
  { from, srs, relayOf }: ExplainOptions,
): readonly string[] {
  const { settings } = snapshot;
  const rewritten =
    route.forwarded && from !== undefined && settings.srs.enabled ? srs?.forward(from) : undefined;
  const sender = rewritten ?? from ?? "";
  const { relay, rule } = relayOf?.(sender, route.address) ?? {};
  const found: string[] = [];
  if (rewritten !== undefined && rewritten !== from)
    found.push(`  ${line("SRS", `${from || "<>"} → ${rewritten}`, undefined)}`);
  if (relay !== undefined) {
    const login = relay.credentials === undefined ? "" : `, logs in as ${relay.credentials.username}`;
    const mx = relay.lookupMx === true ? ", its MX first" : "";
    found.push(
      `  ${line("by relay", `${relay.host}:${relay.port} (TLS ${relay.tls}${login}${mx})`, rule?.origin)}`,
    );
  } else if (rule?.relay === "direct")
    found.push(`  ${line("direct", "to the MX, by no relay", rule.origin)}`);
  return found;
}

function copyLines(snapshot: Snapshot, address: string, { from }: ExplainOptions): readonly string[] {
  return copiesOf(snapshot, from ?? "", [address]).map((copy) => {
    const routes = routeRecipient(snapshot, copy.to);
    const refusal = routes.find((route) => route.kind === "refused");
    const words = refusal?.kind === "refused" ? ` which leads nowhere: ${refusal.refusal.text}` : "";
    return `  ${line("copy", `${copy.to} (${ofRule[copy.rule]})${words}`, copy.origin)}`;
  });
}
const ofRule = {
  always: "of every message",
  sender: "by its sender",
  recipient: "by its recipient",
} as const;

function ending(route: Route, nothingWorks: boolean): string {
  if (route.kind === "local")
    return `delivered to the mailbox of ${route.account}${route.detail === undefined ? "" : `, detail "${route.detail}"`}`;
  if (route.kind === "remote") {
    if (route.backup !== undefined)
      return `kept for ${route.address} until a better MX takes it, ${Math.round(route.backup.lifetimeSeconds / 86_400)} days at most`;
    return route.forwarded
      ? `forwarded to ${route.address}, unless it is spam`
      : `not hosted here: relayed to ${route.address} for those who may (a login)`;
  }
  const { code, status, text } = route.refusal;
  return `${nothingWorks ? "refused" : "left out"}: ${code} ${status} ${text}`;
}
