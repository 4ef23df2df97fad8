/**
 * The way of an address in words, for `mailkeep explain <address>`: every step with the file and line it comes from,
 * and what happens at its end, the refused ways among them.
 */
import type { Origin, Snapshot } from "../config/snapshot.ts";
import type { Route, Step } from "./route.ts";
import { everyRoute, routeRecipient } from "./routing.ts";

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
export function explain(snapshot: Snapshot, address: string): readonly string[] {
  const routes = everyRoute(snapshot, address);
  const answered = routeRecipient(snapshot, address);
  const nothingWorks = answered.every((route) => route.kind === "refused");
  return [address, ...routes.flatMap((route) => lines(route, nothingWorks))];
}

function lines(route: Route, nothingWorks: boolean): readonly string[] {
  return [...route.via.map((step) => `  ${stepLine(step)}`), `  = ${ending(route, nothingWorks)}`];
}

function stepLine(step: Step): string {
  const way = step.from === step.to ? step.to : `${step.from} → ${step.to}`;
  const origin = step.origin === undefined ? "" : `   (${place(step.origin)})`;
  return `${step.rule.padEnd(15)} ${way}${origin}`;
}

const place = (origin: Origin): string =>
  `${origin.file}:${origin.line}, ${origin.owner}${origin.urn === undefined ? "" : ` ${origin.urn}`}`;

function ending(route: Route, nothingWorks: boolean): string {
  if (route.kind === "local")
    return `delivered to the mailbox of ${route.account}${route.detail === undefined ? "" : `, detail "${route.detail}"`}`;
  if (route.kind === "remote")
    return route.forwarded
      ? `forwarded to ${route.address}`
      : `not hosted here: relayed to ${route.address} for those who may (a login)`;
  const { code, status, text } = route.refusal;
  return `${nothingWorks ? "refused" : "left out"}: ${code} ${status} ${text}`;
}
