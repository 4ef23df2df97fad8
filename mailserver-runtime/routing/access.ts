/**
 * The access lists (postfix-send-access.cf, postfix-receive-access.cf), looked up as access(5) does: the whole address,
 * the address without its detail, `@domain` or the domain, its parent domains, and last `user@`. The first entry found
 * decides, so that an address can be let through of a domain that is refused.
 */
import type { AccessEntry, Snapshot } from "../config/snapshot.ts";
import {
  canonicalText,
  foldLocalPart,
  type MailAddress,
  parseAddress,
  quoteLocalPart,
} from "../message/address.ts";
import { splitDetail } from "./detail.ts";
import { servesPostmaster } from "./postmaster.ts";
import { refusals } from "./refusals.ts";
import type { Refusal } from "./route.ts";

type List = ReadonlyMap<string, AccessEntry>;

/** The entry that speaks of a recipient. postmaster and abuse are exempt (RFC 5321 §4.5.1). */
export function recipientEntry(snapshot: Snapshot, address: MailAddress): AccessEntry | undefined {
  if (snapshot.refusedRecipients.size === 0 || servesPostmaster(snapshot, address)) return undefined;
  return entryFor(snapshot, snapshot.refusedRecipients, address);
}

/** The entry that speaks of a reverse-path; "" (the null reverse-path) is never refused here. */
export function senderEntry(snapshot: Snapshot, sender: string): AccessEntry | undefined {
  if (sender === "" || snapshot.refusedSenders.size === 0) return undefined;
  const address = parseAddress(sender);
  return address === undefined ? undefined : entryFor(snapshot, snapshot.refusedSenders, address);
}

export function recipientRefusal(snapshot: Snapshot, address: MailAddress): Refusal | undefined {
  const entry = recipientEntry(snapshot, address);
  return entry === undefined || entry.action === "accept" ? undefined : (entry.refusal ?? refusals.denied);
}

export function senderRefusal(snapshot: Snapshot, sender: string): Refusal | undefined {
  const entry = senderEntry(snapshot, sender);
  return entry === undefined || entry.action === "accept"
    ? undefined
    : (entry.refusal ?? refusals.senderDenied);
}

function entryFor(snapshot: Snapshot, list: List, address: MailAddress): AccessEntry | undefined {
  for (const key of keys(snapshot, address)) {
    const entry = list.get(key);
    if (entry !== undefined) return entry;
  }
  return undefined;
}

function* keys(snapshot: Snapshot, address: MailAddress): Generator<string> {
  const user = splitDetail(address.localPart, snapshot.settings.routing.recipientDelimiter)?.user;
  yield canonicalText(address);
  if (user !== undefined) yield canonicalText({ ...address, localPart: user });
  yield `@${address.domain}`;
  for (let domain = address.domain; domain !== ""; domain = parent(domain)) yield domain;
  yield `${quoteLocalPart(foldLocalPart(address.localPart))}@`;
  if (user !== undefined) yield `${quoteLocalPart(foldLocalPart(user))}@`;
}

const parent = (domain: string): string => {
  const dot = domain.indexOf(".");
  return dot < 0 ? "" : domain.slice(dot + 1);
};
