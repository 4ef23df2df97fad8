/**
 * How the client introduces itself (RFC 5321 §4.1.1.1) and whether its address has a name that leads back to
 * it (iprev, RFC 8601 §3). Both only score: good hosts with careless administrators exist.
 */
import { isIP } from "node:net";
import type { Check } from "../check.ts";
import type { Finding } from "../pipeline.ts";

export const heloSanityCheck: Check = {
  name: "helo-sanity",
  timeLimit: 5_000,
  onFailure: "accept",
  async run(message, facts) {
    const findings: Finding[] = [];
    const found = (symbol: string, score: number, reason: string): void => {
      findings.push({ check: "helo-sanity", symbol, score, reason });
    };
    // A host of one's own network has no name in public and often none at all.
    const reverse = message.client.address === "" ? undefined : await facts.reverse();
    if (reverse === undefined) return { findings };
    const helo = message.helo.toLowerCase();
    if (isIP(helo) !== 0) found("HFILTER_HELO_BADIP", 1.5, "HELO is an address without brackets");
    else if (!helo.startsWith("[") && !/[a-z0-9-]\.[a-z]/.test(helo))
      found("HFILTER_HELO_NOT_FQDN", 1, "HELO is no full name");
    if (helo === facts.hostname.toLowerCase()) found("HELO_IS_US", 3, "HELO is our own name");
    if (reverse.result === "fail")
      found("RDNS_NONE", 0.5, `no name of ${message.client.address} leads back to it`);
    return {
      findings,
      authenticationResults: [
        `iprev=${reverse.result}${reverse.name === undefined ? "" : ` (${commentOf(reverse.name)})`} policy.iprev=${quoted(message.client.address)}`,
      ],
    };
  },
};

/** A DNS name may hold any byte; a comment of ours holds the harmless ones (RFC 5322 §3.2.2). */
function commentOf(name: string): string {
  return name.replace(/[^\w.-]/g, "?").slice(0, 255);
}

/** An IPv6 address has colons, which stand in quotes (RFC 8601 §2.2). */
function quoted(address: string): string {
  return address.includes(":") ? `"${address}"` : address;
}
