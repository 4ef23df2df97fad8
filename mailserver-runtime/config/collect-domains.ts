/**
 * The hosted domains: those that are declared, and those of every account and alias, as docker-mailserver derives its
 * list (/etc/postfix/vhost) from postfix-accounts.cf and postfix-virtual.cf.
 */
import type { CompileInput } from "./compile.ts";
import { Pace } from "./pace.ts";
import type { Account, Alias, Domain, Origin } from "./snapshot.ts";
import { stackPath } from "./stack/files.ts";

export async function collectDomains(
  { values, settings }: CompileInput,
  accounts: ReadonlyMap<string, Account>,
  aliases: ReadonlyMap<string, Alias>,
): Promise<Map<string, Domain>> {
  const pace = new Pace();
  const domains = new Map<string, Domain>();
  for (const { domain, owner } of values.stackDomains.values())
    domains.set(domain, {
      name: domain,
      origin: { file: stackPath("domains", domain), line: 1, owner: "stack", urn: owner },
    });
  const host = (name: string, origin: Origin) => {
    if (!domains.has(name)) domains.set(name, { name, origin });
  };
  for (const account of accounts.values()) {
    if (account.enabled) host(account.domain, account.origin);
    if (pace.due) await pace.turn();
  }
  // A bare name in postfix-virtual.cf makes no domain hosted; only written domains do.
  const bare = new Set<string>();
  for (const { address } of values.virtual) if (!address.includes("@")) bare.add(address);
  const ofHost = `@${settings.hostname.toLowerCase()}`;
  for (const alias of aliases.values()) {
    if (pace.due) await pace.turn();
    const at = alias.address.lastIndexOf("@");
    if (alias.address.slice(at) === ofHost && bare.has(alias.address.slice(0, at))) continue;
    host(alias.address.slice(at + 1), alias.origin);
  }
  return domains;
}
