/**
 * DMARC aggregate reports to the domains in whose name mail comes here (RFC 7489 §7, RFC 9990).
 *
 * A domain that publishes a DMARC policy wants to know who sends mail in its name before it asks receivers to refuse what
 * is not its own. So each receiver tells it once a day: from which addresses how many messages came, whether SPF and DKIM
 * vouched for them, and what was done with them. No content, no addresses of persons.
 *
 * Every process that receives mail counts its own messages (`DmarcCounter`); one of them sends a day's reports of all. What
 * a report says is what the filter found and did, not found out anew.
 */
import { gzipSync } from "node:zlib";
import type { Resolver } from "../dns/resolver.ts";
import type { Observer } from "../filter/inbound-filter.ts";
import type { Log } from "../net/log.ts";
import { type Daily, startDaily } from "../reports/daily.ts";
import { DayTally, dayBounds, readDay } from "../reports/day-tally.ts";
import { type ReportPost, sendReport } from "../reports/send-report.ts";
import { aggregateXml } from "./aggregate-xml.ts";
import { type DmarcRow, dmarcRow, parseDmarcRow } from "./dmarc-row.ts";
import { type AggregateTarget, aggregateTargets } from "./report-addresses.ts";

export interface DmarcCounter {
  /** The filter's observer. */
  readonly observe: Observer;
  close(): Promise<void>;
}
export interface DmarcCounterOptions {
  /** Where counts are kept; made where it is not there yet. */
  readonly directory: string;
  /** Whether reports are sent; without them nothing is counted. */
  readonly enabled: () => boolean;
  readonly log: Log;
  /** Milliseconds since the epoch. */
  readonly clock?: () => number;
}

export function openDmarcCounter(options: DmarcCounterOptions): DmarcCounter {
  const tally = new DayTally<DmarcRow>(options);
  return {
    async observe(message, facts, verdict) {
      // Who is told to come again is counted when he does.
      if (!options.enabled() || verdict.action.kind === "tempfail") return;
      const [dmarc, spf, dkim] = await Promise.all([facts.dmarc(), facts.spf(), facts.dkim()]);
      const row = dmarcRow(message, { dmarc, spf, dkim }, verdict);
      if (row !== undefined) tally.add(row);
    },
    close: () => tally.close(),
  };
}

export interface DmarcReportOptions extends DmarcCounterOptions {
  readonly resolver: Resolver;
  readonly post: ReportPost;
  /** 0 ≤ x < 1. */
  readonly random?: () => number;
}

/** The daily sending; once in a server. */
export function startDmarcReports(options: DmarcReportOptions): Daily {
  const { directory, resolver, post, log, clock = Date.now } = options;
  return startDaily({ directory, domains, report, log, clock, random: options.random });

  async function domains(day: string): Promise<readonly string[]> {
    if (!options.enabled()) return [];
    return [...new Set((await readDay(directory, day, parseDmarcRow)).map(({ row }) => row.domain))];
  }

  async function report(domain: string, day: string): Promise<"sent" | "unwanted" | "later"> {
    try {
      const targets = await aggregateTargets(domain, resolver);
      if (targets === undefined) return "later";
      if (targets.length === 0) return "unwanted";
      const results: boolean[] = [];
      const bytes = await compressed(domain, day);
      for (const target of targets) results.push(await sendTo(target, domain, day, bytes));
      return results.includes(true) ? "sent" : "unwanted";
    } catch (error) {
      log.error({ event: "dmarc-report-failed", domain, day, error: String(error) });
      return "later";
    }
  }

  async function compressed(domain: string, day: string): Promise<Buffer> {
    const rows = (await readDay(directory, day, parseDmarcRow)).filter(({ row }) => row.domain === domain);
    const us = post.domain();
    const xml = aggregateXml({
      domain,
      rows,
      organization: us,
      contact: `postmaster@${us}`,
      reportId: reportId(domain, day),
      ...dayBounds(day),
    });
    return gzipSync(xml);
  }

  async function sendTo(
    { address, maxBytes }: AggregateTarget,
    domain: string,
    day: string,
    bytes: Buffer,
  ): Promise<boolean> {
    const us = post.domain();
    if (bytes.length > maxBytes) {
      const reason = `the report has ${bytes.length} octets, ${address} takes ${maxBytes}`;
      log.warn({ event: "dmarc-report-too-large", domain, day, to: address, reason });
      return false;
    }
    const { begin, end } = dayBounds(day);
    return sendReport(post, {
      to: address,
      subject: `Report Domain: ${domain} Submitter: ${us} Report-ID: <${reportId(domain, day)}>`,
      fields: [],
      contentType: "multipart/mixed",
      text: [
        `This is a DMARC aggregate report (RFC 7489) from ${us},`,
        `about mail that came here in the name of ${domain} on ${day} (UTC).`,
      ],
      attachment: {
        type: "application/gzip",
        fileName: `${us}!${domain}!${begin / 1000}!${end / 1000 - 1}.xml.gz`,
        bytes,
      },
      now: clock(),
    });
  }

  function reportId(domain: string, day: string): string {
    return `${day}.${domain}@${post.domain()}`;
  }
}
