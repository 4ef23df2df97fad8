/** What the received reports say together, by domain and source. Pure. */
import type { DmarcReport, KeptReport, TlsReport } from "./received-report.ts";

/** Mail in a domain's name from one address, over all reports. */
export interface DmarcSummary {
  readonly domain: string;
  readonly source: string;
  readonly messages: number;
  /** DKIM or SPF was aligned: the domain's own mail. */
  readonly passed: number;
  readonly quarantined: number;
  readonly rejected: number;
  readonly reporters: readonly string[];
}
/** TLS on the way to a domain's hosts, as one reporter saw it. */
export interface TlsSummary {
  readonly domain: string;
  readonly reporter: string;
  readonly policy: string;
  readonly successful: number;
  readonly failed: number;
  /** "certificate-expired at mx.example.org: 3", the most frequent first. */
  readonly failures: readonly string[];
}
export interface ReportsSummary {
  readonly reports: number;
  /** Of these, without a good signature. */
  readonly unverified: number;
  readonly dmarc: readonly DmarcSummary[];
  readonly tls: readonly TlsSummary[];
}

/** Failures told of one line. */
const MAX_FAILURES = 10;

/** `concerns` says of which domains is to be told. */
export function summaryOf(
  kept: readonly KeptReport[],
  concerns: (domain: string) => boolean,
): ReportsSummary {
  const dmarc = kept.flatMap(({ report }) =>
    report.kind === "dmarc" && concerns(report.domain) ? [report] : [],
  );
  const tls = kept.flatMap(({ report }) => (report.kind === "tls" ? [report] : []));
  return {
    reports: kept.length,
    unverified: kept.filter(({ verified }) => !verified).length,
    dmarc: bySource(dmarc),
    tls: byReporter(tls, concerns),
  };
}

function bySource(reports: readonly DmarcReport[]): readonly DmarcSummary[] {
  const rows = reports.flatMap(({ domain, organization, sources }) =>
    sources.map((source) => ({ ...source, domain, organization })),
  );
  const groups = Map.groupBy(rows, ({ domain, address }) => `${domain} ${address}`);
  return [...groups.values()]
    .map((group) => {
      const sum = (fits: (row: (typeof rows)[number]) => boolean): number =>
        group.filter(fits).reduce((total, { count }) => total + count, 0);
      return {
        domain: group[0]!.domain,
        source: group[0]!.address,
        messages: sum(() => true),
        passed: sum(({ dkim, spf }) => dkim || spf),
        quarantined: sum(({ disposition }) => disposition === "quarantine"),
        rejected: sum(({ disposition }) => disposition === "reject"),
        reporters: [...new Set(group.map(({ organization }) => organization))].sort(),
      };
    })
    .sort((a, b) => compare(a.domain, b.domain) || b.messages - a.messages);
}

function byReporter(
  reports: readonly TlsReport[],
  concerns: (domain: string) => boolean,
): readonly TlsSummary[] {
  const rows = reports.flatMap(({ organization, policies }) =>
    policies.filter(({ domain }) => concerns(domain)).map((policy) => ({ ...policy, organization })),
  );
  const groups = Map.groupBy(rows, ({ domain, organization, type }) =>
    JSON.stringify([domain, organization, type]),
  );
  return [...groups.values()]
    .map((group) => ({
      domain: group[0]!.domain,
      reporter: group[0]!.organization,
      policy: group[0]!.type,
      successful: group.reduce((total, { successful }) => total + successful, 0),
      failed: group.reduce((total, { failed }) => total + failed, 0),
      failures: failuresOf(group),
    }))
    .sort((a, b) => compare(a.domain, b.domain) || b.failed - a.failed || compare(a.reporter, b.reporter));
}

function failuresOf(policies: readonly Pick<TlsReport["policies"][number], "failures">[]): readonly string[] {
  const counts = new Map<string, number>();
  for (const { type, mx, count } of policies.flatMap(({ failures }) => failures)) {
    const what = mx === "" ? type : `${type} at ${mx}`;
    counts.set(what, (counts.get(what) ?? 0) + count);
  }
  return [...counts]
    .sort(([, a], [, b]) => b - a)
    .slice(0, MAX_FAILURES)
    .map(([what, count]) => `${what}: ${count}`);
}

const compare = (a: string, b: string): number => (a < b ? -1 : a > b ? 1 : 0);
