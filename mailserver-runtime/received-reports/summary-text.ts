/** The summary for a person at a terminal. Pure. */
import type { ReportsSummary } from "./summary.ts";

/**
 * ```
 * 14 reports in 30 days
 *
 * example.org: mail in its name
 *    messages   passed  quarantine  reject  from
 *        1204     1204           0       0  192.0.2.1 (google.com, mail.ru)
 *
 * example.org: TLS on the way to it
 *    sessions   failed  policy  reported by
 *         310        2  sts     google.com
 *                               certificate-expired at mx.example.org: 2
 * ```
 */
export function summaryText(summary: ReportsSummary, days: number): readonly string[] {
  const { reports, unverified } = summary;
  const doubt = unverified === 0 ? "" : `, ${unverified} of them without a good signature`;
  const head = `${reports} ${reports === 1 ? "report" : "reports"} in ${days} days${doubt}`;
  return [head, ...dmarcText(summary), ...tlsText(summary)];
}

function dmarcText({ dmarc }: ReportsSummary): readonly string[] {
  return [...Map.groupBy(dmarc, ({ domain }) => domain)].flatMap(([domain, rows]) => [
    "",
    `${domain}: mail in its name`,
    "   messages   passed  quarantine   reject  from",
    ...rows.map(({ messages, passed, quarantined, rejected, source, reporters }) => {
      const figures = [figure(messages, 11), figure(passed, 9), figure(quarantined, 12), figure(rejected, 9)];
      return `${figures.join("")}  ${source} (${reporters.join(", ")})`;
    }),
  ]);
}

function tlsText({ tls }: ReportsSummary): readonly string[] {
  return [...Map.groupBy(tls, ({ domain }) => domain)].flatMap(([domain, rows]) => [
    "",
    `${domain}: TLS on the way to it`,
    "   sessions   failed  policy           reported by",
    ...rows.flatMap(({ successful, failed, policy, reporter, failures }) => [
      `${figure(successful + failed, 11)}${figure(failed, 9)}  ${policy.padEnd(15)}  ${reporter}`,
      ...failures.map((failure) => `${" ".repeat(39)}${failure}`),
    ]),
  ]);
}

const figure = (value: number, width: number): string => String(value).padStart(width);
