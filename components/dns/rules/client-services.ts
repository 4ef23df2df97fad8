/**
 * How a mail program finds the servers by the address alone: SRV records (RFC 6186, RFC 8314 §5.1, RFC 5804 §1.8).
 */
import { under } from "../../../mailserver-runtime/dns/records.ts";
import type { ClientService } from "../plan-types.ts";
import { leftOut, planned, type Rule, recordField } from "./rule.ts";

interface ServiceRow {
  readonly service: ClientService;
  /** Implicit TLS is preferred to STARTTLS (RFC 8314 §3): the lower priority wins. */
  readonly priority: number;
  /** RFC 6186 §3.4: target "." says that the service is not offered. ManageSieve has no such rule. */
  readonly deniable: boolean;
  readonly purpose: string;
}

const SERVICES: readonly ServiceRow[] = [
  { service: "submissions", priority: 0, deniable: true, purpose: "send mail" },
  { service: "submission", priority: 10, deniable: true, purpose: "send mail with STARTTLS" },
  { service: "imaps", priority: 0, deniable: true, purpose: "read mail" },
  { service: "imap", priority: 10, deniable: true, purpose: "read mail with STARTTLS" },
  { service: "pop3s", priority: 20, deniable: true, purpose: "fetch mail" },
  { service: "pop3", priority: 30, deniable: true, purpose: "fetch mail with STARTTLS" },
  { service: "sieve", priority: 0, deniable: false, purpose: "edit filters" },
];

export const clientServices: Rule = function* ({ host, domains, ttl, served }) {
  const anything = SERVICES.some(({ service }) => served.services[service] !== undefined);
  for (const { name: domain } of domains) {
    for (const { service, priority, deniable, purpose } of SERVICES) {
      const name = under(`_${service}._tcp`, domain);
      const port = served.services[service];
      if (port !== undefined)
        yield planned(
          recordField(
            { type: "SRV", name, ttl, priority, weight: 1, port, target: host.name },
            `served.services.${service}`,
          ),
          `Mail programs of ${domain} ${purpose} at ${host.name}, port ${port}.`,
          domain,
        );
      else if (deniable && anything)
        yield planned(
          { type: "SRV", name, ttl, priority: 0, weight: 0, port: 0, target: "." },
          `Tells mail programs that ${domain} does not offer ${service} (RFC 6186 §3.4).`,
          domain,
        );
      else yield leftOut(`${name} SRV`, `nothing on ${host.name} serves ${service}`);
    }
  }
};
