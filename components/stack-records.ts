/**
 * The stack's records as zones for the host's own name server: what the record plan says, for what the server really serves.
 * A function of its arguments; keys that are not made yet are simply not among them.
 */
import { rdataText } from "../mailserver-runtime/dns/records.ts";
import { type LeftOut, type PlanArgs, planRecords, type TlsKeys } from "./dns/plan.ts";
import { zoneFiles } from "./dns/publishers/zone-file.ts";
import { defaultZones } from "./dns/zones.ts";
import type { StackPlan } from "./stack-plan.ts";

/** A DKIM key's public part, by domain and selector. */
export interface PublicKey {
  readonly domain: string;
  readonly selector: string;
  readonly publicKey: string;
}

export interface StackRecords {
  /** Record sets by zone; see the Zone resource. */
  readonly zones: Readonly<Record<string, Record<string, string[]>>>;
  readonly leftOut: readonly LeftOut[];
  readonly warnings: readonly string[];
}

/** @throws {PlanError} naming the argument and the way out */
export function stackRecords(
  plan: StackPlan,
  keys: readonly PublicKey[],
  tlsKeys: TlsKeys | undefined,
  ttl: number | undefined,
): StackRecords {
  const records = planRecords(planArgs(plan, keys, tlsKeys, ttl));
  const { files, unplaced } = zoneFiles(records, {
    zones: zonesOf(plan),
    nameServers: [plan.hostname],
    reverseZones: "of-host-addresses",
    ...(ttl !== undefined && { ttl }),
  });
  const zones = Object.fromEntries(
    files.map((file) => {
      const sets: Record<string, string[]> = {};
      for (const record of file.records) {
        const set = `${record.name} ${record.type}`;
        sets[set] ??= [];
        sets[set].push(`${record.ttl} ${rdataText(record)}`);
      }
      return [file.origin, sets];
    }),
  );
  const homeless = unplaced.map(({ record }) => ({
    what: `${record.name} ${record.type}`,
    reason: "no zone of this stack holds the name",
  }));
  return { zones, leftOut: [...records.leftOut, ...homeless], warnings: records.warnings };
}

/** The names of the zones, which do not depend on any key. @throws {PlanError} */
export function zoneOrigins(plan: StackPlan): string[] {
  return Object.keys(stackRecords(plan, [], undefined, undefined).zones);
}

/** The text that HTTPS serves as each domain's MTA-STS policy (RFC 8461 §3.2). @throws {PlanError} */
export function mtaStsPolicies(plan: StackPlan): Record<string, string> {
  const { mtaSts } = planRecords(planArgs(plan, [], undefined, undefined));
  return Object.fromEntries(mtaSts.map(({ domain, text }) => [domain, text]));
}

function zonesOf(plan: StackPlan): string[] {
  return defaultZones(
    plan.hostname,
    plan.domains.map(({ name }) => name),
  );
}

function planArgs(
  plan: StackPlan,
  keys: readonly PublicKey[],
  tlsKeys: TlsKeys | undefined,
  ttl: number | undefined,
): PlanArgs {
  const { smtp: _, dns: __, http: ___, https: ____, ...services } = plan.ports;
  return {
    host: { name: plan.hostname, ipv4: [plan.address] },
    domains: plan.domains.map(({ name, declaration, keys: planned }) => ({
      name,
      dmarc: declaration.dmarc ?? { policy: "reject" },
      ...(declaration.spf && { spf: declaration.spf }),
      ...(declaration.tlsRpt && { tlsRpt: declaration.tlsRpt }),
      ...(declaration.mtaSts && { mtaSts: declaration.mtaSts }),
      dkim: planned.flatMap(({ selector, role, algorithm }) => {
        const key = keys.find((candidate) => candidate.domain === name && candidate.selector === selector);
        if (!key) return [];
        return {
          selector,
          role,
          algorithm: algorithm === "ed25519" ? "ed25519" : "rsa",
          publicKey: key.publicKey,
        };
      }),
    })),
    served: { smtp: true, smtpTls: true, services, https: plan.certificates.webNames },
    ...(tlsKeys && { tlsKeys }),
    ...(ttl !== undefined && { ttl }),
  };
}
