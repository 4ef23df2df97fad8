/**
 * Who gets a copy of a message besides its recipients: Postfix's always_bcc, sender_bcc_maps and recipient_bcc_maps, or a
 * journal. Pure.
 *
 * An address is looked up as it is, without its detail, and by its domain, then held against patterns (pcre: tables); the
 * first that is found counts. A copy names
 * whom it is for: all recipients where the rule speaks of every message or of the sender, but only those it speaks of
 * where it speaks of recipients, since the others may be nobody's business (RFC 5321 §7.2).
 */
import { substituted } from "../config/dms/alias-pattern.ts";
import type { CopyPattern, CopyTable, CopyTarget, Origin, Snapshot } from "../config/snapshot.ts";
import { canonicalText, type MailAddress, parseAddress } from "../message/address.ts";
import { splitDetail } from "./detail.ts";

export interface Copy {
  /** Who gets it: an address to be routed. */
  readonly to: string;
  /** The recipients that it tells about. */
  readonly recipients: readonly string[];
  readonly rule: "always" | "sender" | "recipient";
  readonly origin: Origin;
}

/**
 * The copies of a message, one for each address that gets any. `from` is "" for the null reverse-path.
 *
 * @throws {PatternTooSlow}
 */
export function copiesOf(snapshot: Snapshot, from: string, recipients: readonly string[]): readonly Copy[] {
  const { copies } = snapshot;
  if (copies === undefined || recipients.length === 0 || isEmpty(copies)) return [];
  const found = new Map<string, Copy>();
  const add = (target: CopyTarget, rule: Copy["rule"], about: readonly string[]) => {
    const present = found.get(target.to);
    const told = present === undefined ? about : [...new Set([...present.recipients, ...about])];
    found.set(target.to, { to: target.to, origin: target.origin, rule, ...present, recipients: told });
  };
  for (const target of copies.always) add(target, "always", recipients);
  const patternsOf = (rule: CopyPattern["rule"]) =>
    copies.patterns.filter((pattern) => pattern.rule === rule);
  for (const target of targetsOf(snapshot, copies.bySender, patternsOf("sender"), from))
    add(target, "sender", recipients);
  const byRecipient = patternsOf("recipient");
  if (copies.byRecipient.size + byRecipient.length > 0)
    for (const recipient of recipients)
      for (const target of targetsOf(snapshot, copies.byRecipient, byRecipient, recipient))
        add(target, "recipient", [recipient]);
  return [...found.values()];
}

const isEmpty = ({ always, bySender, byRecipient, patterns }: CopyTable): boolean =>
  always.length + bySender.size + byRecipient.size + patterns.length === 0;

function targetsOf(
  snapshot: Snapshot,
  map: ReadonlyMap<string, readonly CopyTarget[]>,
  patterns: readonly CopyPattern[],
  text: string,
): readonly CopyTarget[] {
  if (map.size + patterns.length === 0) return [];
  const address = parseAddress(text);
  if (address === undefined) return [];
  for (const key of keys(address, snapshot.settings.routing.recipientDelimiter)) {
    const targets = map.get(key);
    if (targets !== undefined) return targets;
  }
  // A pattern that takes too long throws: the mail waits (451) rather than go on without its copy.
  for (const { pattern, target } of patterns) {
    const match = pattern.match(canonicalText(address));
    if (match !== undefined) return [{ ...target, to: substituted(target.to, match) }];
  }
  return [];
}

function* keys(address: MailAddress, delimiters: string): Generator<string> {
  yield canonicalText(address);
  const user = splitDetail(address.localPart, delimiters)?.user;
  if (user !== undefined) yield canonicalText({ ...address, localPart: user });
  yield `@${address.domain}`;
}
