/** Where mail for each domain goes (RFC 5321 §5.1), or that it goes nowhere (RFC 7505). */
import {
  type DeclaredDomain,
  hostField,
  leftOut,
  type MailStackFacts,
  planned,
  type Rule,
  recordField,
} from "./rule.ts";

const HOST_PREFERENCE = 10;

export const mailExchangers: Rule = function* (facts) {
  const { host, ttl, served } = facts;
  for (const domain of facts.domains) {
    const { name } = domain;
    if (domain.receives === false) {
      yield planned(
        { type: "MX", name, ttl, preference: 0, exchange: "." },
        `${name} takes no mail (RFC 7505).`,
        name,
      );
      continue;
    }
    if (!served.smtp) {
      yield leftOut(`${name} MX`, `nothing answers on port 25 of ${host.name} yet`);
      continue;
    }
    yield planned(
      { type: "MX", name, ttl, preference: HOST_PREFERENCE, exchange: host.name },
      `Mail for ${name} goes to ${host.name}.`,
      name,
    );
    for (const { preference, exchange } of backups(domain))
      yield planned(
        { type: "MX", name, ttl, preference, exchange },
        `${exchange} keeps mail for ${name} while ${host.name} is away.`,
        name,
      );
  }
};

/** Every host that takes mail for the domain: what an MTA-STS policy must name. */
export function exchangersOf(facts: MailStackFacts, domain: DeclaredDomain): string[] {
  return [...new Set([facts.host.name, ...backups(domain).map(({ exchange }) => exchange)])];
}

function backups(domain: DeclaredDomain): { preference: number; exchange: string }[] {
  return (domain.backupMx ?? []).map(({ preference, exchange }, index) => {
    const field = `${domain.field}.backupMx[${index}]`;
    const record = recordField(
      { type: "MX", name: domain.name, ttl: 0, preference, exchange: hostField(exchange, field) },
      field,
    );
    return { preference: record.preference, exchange: record.exchange };
  });
}
