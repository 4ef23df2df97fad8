/** A day's rows of one domain as the JSON of RFC 8460 §4. Pure. */
import type { Counted } from "../reports/day-tally.ts";
import type { TlsRow } from "./tls-row.ts";

export interface TlsReportInput {
  readonly domain: string;
  readonly rows: readonly Counted<TlsRow>[];
  readonly organization: string;
  readonly contact: string;
  readonly reportId: string;
  /** Milliseconds since the epoch; the end is the first moment after the day. */
  readonly begin: number;
  readonly end: number;
}

/** Failure details of one policy; the counts above them are complete. */
const MAX_DETAILS = 500;

export function tlsReportJson(input: TlsReportInput): object {
  const policies = Map.groupBy(input.rows, ({ row }) => JSON.stringify(row.policy));
  return {
    "organization-name": input.organization,
    "date-range": { "start-datetime": isoSeconds(input.begin), "end-datetime": isoSeconds(input.end - 1000) },
    "contact-info": input.contact,
    "report-id": input.reportId,
    policies: [...policies.values()].map((rows) => policyJson(input.domain, rows)),
  };
}

function policyJson(domain: string, rows: readonly Counted<TlsRow>[]): object {
  const { type, strings, mxHosts } = rows[0]!.row.policy;
  const sum = (counted: readonly Counted<TlsRow>[]): number =>
    counted.reduce((total, { count }) => total + count, 0);
  const failed = rows.filter(({ row }) => row.failure !== undefined);
  return {
    policy: {
      "policy-type": type,
      ...(type === "no-policy-found" ? {} : { "policy-string": strings }),
      "policy-domain": domain,
      ...(mxHosts.length === 0 ? {} : { "mx-host": mxHosts }),
    },
    summary: {
      "total-successful-session-count": sum(rows) - sum(failed),
      "total-failure-session-count": sum(failed),
    },
    ...(failed.length === 0
      ? {}
      : {
          "failure-details": failed
            .toSorted((a, b) => b.count - a.count)
            .slice(0, MAX_DETAILS)
            .map(detailJson),
        }),
  };
}

function detailJson({ row, count }: Counted<TlsRow>): object {
  const { type, mx, address, localAddress, reason } = row.failure!;
  return {
    "result-type": type,
    ...(localAddress === undefined ? {} : { "sending-mta-ip": localAddress }),
    ...(mx === undefined ? {} : { "receiving-mx-hostname": mx }),
    ...(address === undefined ? {} : { "receiving-ip": address }),
    "failed-session-count": count,
    "failure-reason-code": reason,
  };
}

const isoSeconds = (time: number): string => `${new Date(time).toISOString().slice(0, 19)}Z`;
