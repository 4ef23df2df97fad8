/** The names below a domain that something is fetched from by HTTPS: settings for mail programs, and the MTA-STS policy. */
import { under } from "../../../mailserver-runtime/dns/records.ts";
import { leftOut, planned, type Rule } from "./rule.ts";

/** Names fetched by HTTPS, each an alias of the host. */
const WEB_NAMES: readonly { readonly label: string; readonly purpose: string }[] = [
  { label: "autoconfig", purpose: "Thunderbird and others fetch their settings from there" },
  { label: "autodiscover", purpose: "Outlook fetches its settings from there" },
  { label: "mta-sts", purpose: "servers fetch the MTA-STS policy from there (RFC 8461 §3.3)" },
];

export const webNames: Rule = function* ({ host, domains, ttl, served }) {
  const answered = new Set([...served.https, ...(served.httpsPending ?? [])]);
  for (const domain of domains)
    for (const { label, purpose } of WEB_NAMES) {
      const name = under(label, domain.name);
      // The host's own name has its addresses; an alias of itself would be a circle.
      if (name === host.name) continue;
      if (answered.has(name))
        yield planned(
          { type: "CNAME", name, ttl, target: host.name },
          `${name} is ${host.name}: ${purpose}.`,
          domain.name,
        );
      else if (label !== "mta-sts" || (domain.mtaSts !== undefined && domain.receives !== false))
        yield leftOut(`${name} CNAME`, `HTTPS on ${host.name} does not answer for ${name} yet`);
    }
};
