/**
 * The DNS of a mail stack, whole: one pure function from what is declared and what is served to the records that should
 * stand in the DNS, each with its reason.
 *
 * Its promise: no record before its answer. A record that points at a listener, a key or a web page is planned only when
 * that is served; until then it is listed as left out, with what would bring it. It also never plans what the DNS would
 * refuse or readers would take for an error: one SPF record for each name, no alias beside other records, no record
 * twice. It asks nobody and publishes nothing: publishers/ write the plan out.
 *
 * The rules stand in one table; each file below rules/ is one subject with its RFC.
 */
import { ipAddress, recordKey, sortRecords } from "../../mailserver-runtime/dns/records.ts";
import { type LeftOut, type PlanArgs, PlanError, type PlannedRecord, type RecordPlan } from "./plan-types.ts";
import { certificateAuthorities } from "./rules/caa.ts";
import { clientServices } from "./rules/client-services.ts";
import { daneKeys } from "./rules/dane.ts";
import { signingKeys } from "./rules/dkim.ts";
import { alignmentPolicies } from "./rules/dmarc.ts";
import { hostAddresses, reverseRecords } from "./rules/host.ts";
import { mtaStsTexts, strictTransport } from "./rules/mta-sts.ts";
import { mailExchangers } from "./rules/mx.ts";
import { type DeclaredDomain, hostField, type MailStackFacts, type Rule } from "./rules/rule.ts";
import { senderPolicies } from "./rules/spf.ts";
import { transportReports } from "./rules/tls-rpt.ts";
import { webNames } from "./rules/web-names.ts";

export * from "./plan-types.ts";

const RULES: readonly Rule[] = [
  hostAddresses,
  mailExchangers,
  senderPolicies,
  signingKeys,
  alignmentPolicies,
  strictTransport,
  transportReports,
  daneKeys,
  certificateAuthorities,
  clientServices,
  webNames,
];

const DEFAULT_TTL = 3600;

/**
 * Plans every record of a mail host and its domains.
 *
 * ```ts
 * const plan = planRecords({
 *   host: { name: "mail.example.com", ipv4: ["192.0.2.1"] },
 *   domains: [{ name: "example.com", dkim: [{ selector: "a", algorithm: "rsa", publicKey, role: "current" }] }],
 *   served: { smtp: true, smtpTls: true, services: { imaps: 993, submissions: 465 }, https: [] },
 * });
 * ```
 *
 * @throws {PlanError} naming the argument and the way out
 */
export function planRecords(args: PlanArgs): RecordPlan {
  const facts = readFacts(args);
  const records: PlannedRecord[] = [];
  const leftOut: LeftOut[] = [];
  const warnings = new Set<string>();
  for (const finding of RULES.flatMap((rule) => [...rule(facts)])) {
    if (finding.kind === "record") records.push(plannedOf(finding));
    else if (finding.kind === "left-out") leftOut.push({ what: finding.what, reason: finding.reason });
    else warnings.add(finding.text);
  }
  return {
    records: inZoneOrder(records),
    leftOut,
    warnings: [...warnings],
    mtaSts: mtaStsTexts(facts),
    reverse: reverseRecords(facts),
  };
}

function readFacts(args: PlanArgs): MailStackFacts {
  const ttl = args.ttl ?? DEFAULT_TTL;
  if (!Number.isInteger(ttl) || ttl < 1 || ttl > 604_800)
    throw new PlanError(
      "policy",
      "ttl",
      `${ttl} is not a time to live: give seconds from 1 to 604800 (a week)`,
    );
  const host = {
    name: hostField(args.host.name, "host.name"),
    ipv4: readAddresses(args.host.ipv4, 4),
    ipv6: readAddresses(args.host.ipv6, 6),
  };
  const canonical = (names: readonly string[] | undefined, field: string) =>
    (names ?? []).map((name, index) => hostField(name, `${field}[${index}]`));
  const served = {
    ...args.served,
    https: canonical(args.served.https, "served.https"),
    httpsPending: canonical(args.served.httpsPending, "served.httpsPending"),
  };
  return { ...args, ttl, host, served, domains: readDomains(args) };
}

function readDomains(args: PlanArgs): DeclaredDomain[] {
  const fields = new Map<string, string>();
  return args.domains.map((domain, index) => {
    const field = `domains[${index}]`;
    const name = hostField(domain.name, `${field}.name`);
    const before = fields.get(name);
    if (before !== undefined)
      throw new PlanError(
        "duplicate-domain",
        field,
        `${name} is declared already, at ${before}; declare a domain once`,
      );
    fields.set(name, field);
    return { ...domain, name, field };
  });
}

function readAddresses(addresses: readonly string[] | undefined, family: 4 | 6): string[] {
  const read = (addresses ?? []).map((text, index) => {
    const address = ipAddress(text);
    if (address?.family !== family)
      throw new PlanError(
        "invalid-address",
        `host.ipv${family}[${index}]`,
        `"${text}" is not an IPv${family} address`,
      );
    return address.text;
  });
  return [...new Set(read)];
}

/** The records in zone order, no two alike; refuses an alias beside other records (RFC 1034 §3.6.2). */
function inZoneOrder(all: readonly PlannedRecord[]): PlannedRecord[] {
  const byKey = new Map<string, PlannedRecord>();
  for (const planned of all) {
    const key = recordKey(planned.record);
    if (!byKey.has(key)) byKey.set(key, planned);
  }
  const sorted = sortRecords([...byKey.values()].map(({ record }) => record)).map(
    (record) => byKey.get(recordKey(record))!,
  );
  const aliases = new Set(
    sorted.filter(({ record }) => record.type === "CNAME").map(({ record }) => record.name),
  );
  const clash = sorted.find(({ record }) => record.type !== "CNAME" && aliases.has(record.name));
  if (clash !== undefined)
    throw new PlanError(
      "conflict",
      clash.record.name,
      `the name is needed both for ${clash.record.type} and as an alias of the host; declare another host or domain name`,
    );
  return sorted;
}

function plannedOf({ record, domain, reason }: PlannedRecord): PlannedRecord {
  return { record, reason, ...(domain === undefined ? {} : { domain }) };
}
