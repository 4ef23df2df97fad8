/** The daily reports that this server sends about others; open once in a server. */
import type { Snapshot } from "../config/snapshot.ts";
import { startDmarcReports } from "../dmarc-report/dmarc-report.ts";
import type { Resolver } from "../dns/resolver.ts";
import { createSigner } from "../filter/signer.ts";
import type { Log } from "../net/log.ts";
import type { QueueOptions } from "../queue/options.ts";
import { hostDomain } from "../routing/host-domain.ts";
import { openTlsReports } from "../tls-report/tls-report.ts";
import type { ReportPost } from "./send-report.ts";

export interface SentReportsOptions {
  /** The state directory. */
  readonly directory: string;
  readonly resolver: Resolver;
  readonly snapshot: () => Snapshot;
  /** Takes this server's own mail. */
  readonly submit: ReportPost["submit"];
  readonly log: Log;
}
export interface SentReports extends Required<Pick<QueueOptions, "onTls">> {
  close(): Promise<void>;
}

export function openSentReports(options: SentReportsOptions): SentReports {
  const { directory, resolver, snapshot, submit, log } = options;
  const post: ReportPost = {
    signer: createSigner(snapshot, log),
    submit,
    hostname: () => snapshot().settings.hostname,
    domain: () => hostDomain(snapshot()),
    log,
  };
  const tls = openTlsReports({
    directory: `${directory}/tls-report`,
    resolver,
    post,
    enabled: () => snapshot().settings.reports.tls,
    log,
  });
  const dmarc = startDmarcReports({
    directory: `${directory}/dmarc-report`,
    resolver,
    post,
    enabled: () => snapshot().settings.reports.dmarc,
    log,
  });
  return { onTls: tls.record, close: async () => void (await Promise.all([tls.close(), dmarc.close()])) };
}
