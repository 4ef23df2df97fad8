/**
 * DANE for SMTP (RFC 7672): the keys that port 25 shows, for senders that look them up with DNSSEC. The next key stands
 * beside the one in use, so that the host can switch without a DNS change.
 */
import { under } from "../../../mailserver-runtime/dns/records.ts";
import { PlanError } from "../plan-types.ts";
import { leftOut, planned, type Rule } from "./rule.ts";

/** TLSA 3 1 1 of the key in use and of the next one (RFC 7671 §8.1). */
export const daneKeys: Rule = function* ({ host, ttl, served, tlsKeys }) {
  if (tlsKeys === undefined) return;
  const name = under("_25._tcp", host.name);
  if (!served.smtp || !served.smtpTls) {
    yield leftOut(`${name} TLSA`, `port 25 of ${host.name} does not offer STARTTLS with this key yet`);
    return;
  }
  const keys = [
    {
      field: "tlsKeys.current",
      hash: tlsKeys.current,
      reason: `The key of ${host.name}'s certificate, for DANE (RFC 7672).`,
    },
    {
      field: "tlsKeys.next",
      hash: tlsKeys.next,
      reason: `The next key of ${host.name}, published before it is used (RFC 7671 §8.1).`,
    },
    {
      field: "tlsKeys.rsa.current",
      hash: tlsKeys.rsa?.current,
      reason: `The RSA key of ${host.name}, shown to clients that take no other.`,
    },
    {
      field: "tlsKeys.rsa.next",
      hash: tlsKeys.rsa?.next,
      reason: `The next RSA key of ${host.name}, published before it is used (RFC 7671 §8.1).`,
    },
  ];
  for (const { field, hash, reason } of keys) {
    if (hash === undefined) continue;
    if (!/^[0-9a-f]{64}$/i.test(hash))
      throw new PlanError(
        "policy",
        field,
        "the key is given as the SHA-256 of its SubjectPublicKeyInfo, 64 hex digits",
      );
    yield planned(
      { type: "TLSA", name, ttl, usage: 3, selector: 1, matchingType: 1, certificate: hash.toLowerCase() },
      reason,
    );
  }
};
