/**
 * TLS reports to the domains that mail is sent to (RFC 8460).
 *
 * A domain that publishes DANE or MTA-STS sees nothing of the senders who fail at it: their mail just does not come. So a
 * record at `_smtp._tls.<domain>` asks senders for a report a day: under which policy how many sessions went well, and how
 * many failed for which reason. Senders report also where no policy was found, so that a domain may look before it leaps.
 *
 * This room counts how TLS went with every MX host that was connected to (queue/delivery.ts tells it), and reports each day
 * once to the domains that want it, by mail or HTTPS. Deliveries of its own reports are not counted, so that two servers
 * that fail at each other do not write to each other for ever (§3); that is what `tlsOptional` mail is left out for.
 */
import { gzipSync } from "node:zlib";
import { domainName, isDomainName } from "../dns/records.ts";
import type { Resolver } from "../dns/resolver.ts";
import type { Log } from "../net/log.ts";
import type { TlsAttempt } from "../queue/delivery.ts";
import { type Daily, startDaily } from "../reports/daily.ts";
import { type Counted, DayTally, dayBounds, readDay } from "../reports/day-tally.ts";
import { type ReportPost, sendReport } from "../reports/send-report.ts";
import { type PostOptions, postReport } from "./post-https.ts";
import { tlsReportJson } from "./report-json.ts";
import { type ReportTarget, reportingAddresses } from "./reporting-addresses.ts";
import { parseTlsRow, type TlsRow, tlsRows } from "./tls-row.ts";

export interface TlsReportOptions {
  /** Where the counts are kept; made where it is not there yet. */
  readonly directory: string;
  readonly resolver: Resolver;
  readonly post: ReportPost;
  /** Whether reports are sent; without them nothing is counted. */
  readonly enabled: () => boolean;
  readonly log: Log;
  readonly allowedHttps?: PostOptions["allowed"];
  /** Milliseconds since the epoch. */
  readonly clock?: () => number;
  /** 0 ≤ x < 1. */
  readonly random?: () => number;
}
export interface TlsReports extends Daily {
  /** The queue's `onTls`. */
  record(attempt: TlsAttempt): void;
}

export function openTlsReports(options: TlsReportOptions): TlsReports {
  const { directory, resolver, post, log, clock = Date.now } = options;
  const tally = new DayTally<TlsRow>({ directory, log, clock });
  const daily = startDaily({ directory, domains, report, log, clock, random: options.random });
  return {
    record(attempt) {
      if (!options.enabled()) return;
      // With a-labels (RFC 8460 §4.4); an address literal has nobody to be told.
      if (!isDomainName(attempt.domain)) return;
      for (const row of tlsRows({ ...attempt, domain: domainName(attempt.domain) })) tally.add(row);
    },
    async run() {
      await tally.flush();
      await daily.run();
    },
    async close() {
      await daily.close();
      await tally.close();
    },
  };

  async function domains(day: string): Promise<readonly string[]> {
    if (!options.enabled()) return [];
    return [...new Set((await readDay(directory, day, parseTlsRow)).map(({ row }) => row.domain))];
  }

  async function report(domain: string, day: string): Promise<"sent" | "unwanted" | "later"> {
    try {
      const targets = await reportingAddresses(domain, resolver);
      if (targets === undefined) return "later";
      if (targets.length === 0) return "unwanted";
      const rows = (await readDay(directory, day, parseTlsRow)).filter(({ row }) => row.domain === domain);
      const results = await Promise.all(targets.map((target) => sendTo(target, domain, day, rows)));
      return (["sent", "later", "unwanted"] as const).find((each) => results.includes(each))!;
    } catch (error) {
      log.error({ event: "tls-report-failed", domain, day, error: String(error) });
      return "later";
    }
  }

  async function sendTo(
    target: ReportTarget,
    domain: string,
    day: string,
    rows: readonly Counted<TlsRow>[],
  ): Promise<"sent" | "unwanted" | "later"> {
    const { begin, end } = dayBounds(day);
    const us = post.domain();
    const reportId = `${day}.${domain}@${us}`;
    const contact = `postmaster@${us}`;
    const json = tlsReportJson({ domain, rows, organization: us, contact, reportId, begin, end });
    const bytes = gzipSync(JSON.stringify(json));
    if (target.kind === "https") {
      try {
        const status = await postReport(target.url, bytes, { resolver, allowed: options.allowedHttps });
        log.info({ event: "tls-report-posted", domain, url: target.url.href, status });
        return status >= 200 && status < 300 ? "sent" : "later";
      } catch (error) {
        log.warn({ event: "tls-report-failed", domain, url: target.url.href, reason: String(error) });
        return "later";
      }
    }
    const sent = await sendReport(post, {
      to: target.address,
      subject: `Report Domain: ${domain} Submitter: ${us} Report-ID: <${reportId}>`,
      fields: [`TLS-Report-Domain: ${domain}`, `TLS-Report-Submitter: ${us}`, "TLS-Required: No"],
      contentType: 'multipart/report; report-type="tlsrpt"',
      text: [
        `This is an aggregate TLS report (RFC 8460) from ${us},`,
        `about mail that it sent to ${domain} on ${day} (UTC).`,
      ],
      attachment: {
        type: "application/tlsrpt+gzip",
        fileName: `${us}!${domain}!${begin / 1000}!${end / 1000 - 1}.json.gz`,
        bytes,
      },
      now: clock(),
    });
    return sent ? "sent" : "unwanted";
  }
}
