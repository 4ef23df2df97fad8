/** The mail host itself: where its name leads, and who may use that name in EHLO. */
import { type DnsRecord, reverseName } from "../../../mailserver-runtime/dns/records.ts";
import type { PlannedRecord } from "../plan-types.ts";
import { leftOut, type MailStackFacts, planned, type Rule } from "./rule.ts";

/** A and AAAA of the mail host. */
export const hostAddresses: Rule = function* ({ host, ttl }) {
  const { name } = host;
  if (host.ipv4.length + host.ipv6.length === 0)
    yield leftOut(`${name} A`, "the host's address is not known yet; it follows when the host is there");
  for (const address of host.ipv4)
    yield planned({ type: "A", name, ttl, address }, `The mail host ${name} is at ${address}.`);
  for (const address of host.ipv6)
    yield planned({ type: "AAAA", name, ttl, address }, `The mail host ${name} is at ${address}.`);
};

/** The PTR records that the owner of the host's addresses has to set. */
export function reverseRecords({ host, ttl }: MailStackFacts): PlannedRecord[] {
  return [...host.ipv4, ...host.ipv6].flatMap((address) => {
    const name = reverseName(address);
    if (name === undefined) return [];
    const record: DnsRecord = { type: "PTR", name, ttl, target: host.name };
    return [{ record, reason: `${address} calls itself ${host.name}, as receivers of its mail expect.` }];
  });
}
