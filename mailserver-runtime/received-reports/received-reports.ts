/**
 * Reports that others send about our domains: DMARC aggregate reports (RFC 7489 §7.2, RFC 9990) and TLS reports (RFC 8460).
 *
 * They are mail: an archive with XML or JSON in it, at the address that our own records name. Such mail is delivered as any
 * other; besides, this room reads what it carries and keeps it as a file each, for `mailkeep reports`. Whoever knows the
 * address can write there, so nothing in it is trusted: it is read in a thread with a bounded heap and a time limit, out of
 * the server's loop; archives are bounded, XML has no DTD, texts are cut. A report about a domain that is not ours is passed
 * over, and one without a good signature is kept as such.
 */
import { Worker } from "node:worker_threads";
import type { Observer } from "../filter/inbound-filter.ts";
import { canonicalAddress } from "../message/address.ts";
import type { Log } from "../net/log.ts";
import { keepReport } from "./kept-reports.ts";
import { domainsOf, ourPart } from "./received-report.ts";
import type { Found } from "./reports-in-message.ts";

export interface ReceivedReportsOptions {
  /** Where reports are kept; made where it is not there yet. */
  readonly directory: string;
  /** Where they come in. */
  readonly addresses: () => readonly string[];
  readonly isOurs: (domain: string) => boolean;
  readonly log: Log;
}
export interface ReceivedReports {
  /** The filter's observer: takes note of a report, and lets the message go on at once. */
  readonly observe: Observer;
  /** Waits for what is being read. */
  close(): Promise<void>;
}

/** Octets of a message that is read for reports. */
const MAX_MESSAGE = 10 * 1024 * 1024;
/** Messages that wait to be read; more are passed over, and are in their mailbox all the same. */
const MAX_WAITING = 50;
const TIME_LIMIT_MS = 60_000;

export function openReceivedReports(options: ReceivedReportsOptions): ReceivedReports {
  const { directory, log } = options;
  let waiting = 0;
  let last: Promise<void> = Promise.resolve();
  return {
    async observe(message, facts, verdict) {
      const { content, recipients } = message;
      if (verdict.action.kind === "reject" || verdict.action.kind === "tempfail") return;
      const wanted = new Set(options.addresses().map((address) => canonicalAddress(address)));
      if (wanted.size === 0) return;
      if (!recipients.some((address) => wanted.has(canonicalAddress(address) ?? ""))) return;
      if (content.size > MAX_MESSAGE || waiting >= MAX_WAITING) {
        log.warn({ event: "report-passed-over", from: message.from, size: content.size, waiting });
        return;
      }
      const octets = await content.read(0, content.size);
      const signatures = await facts.dkim();
      const verified = signatures.some(({ result }) => result === "pass");
      waiting += 1;
      last = last
        .then(() => take(octets, { verified, receivedAt: message.receivedAt.toISOString() }))
        .catch((error: unknown) => log.error({ event: "report-unread", error: String(error) }))
        .finally(() => {
          waiting -= 1;
        });
    },
    close: () => last,
  };

  async function take(
    octets: Buffer,
    about: { readonly verified: boolean; readonly receivedAt: string },
  ): Promise<void> {
    const { reports, problems } = await readInThread(octets);
    for (const reason of problems) log.warn({ event: "report-unreadable", reason });
    for (const report of reports) {
      const { kind, organization, reportId } = report;
      const ours = ourPart(report, options.isOurs);
      if (ours !== undefined) await keepReport(directory, { ...about, report: ours });
      const event = ours === undefined ? "report-of-others" : "report-received";
      const domains = domainsOf(report);
      log.info({ event, kind, organization, reportId, domains, verified: about.verified });
    }
  }
}

/** Reads a message's reports outside the loop. @throws where the thread fails, or takes too long */
export async function readInThread(octets: Buffer, timeLimitMs = TIME_LIMIT_MS): Promise<Found> {
  const worker = new Worker(new URL("./thread.ts", import.meta.url), {
    workerData: octets,
    resourceLimits: { maxOldGenerationSizeMb: 256, maxYoungGenerationSizeMb: 32 },
  });
  let timer: NodeJS.Timeout | undefined;
  try {
    return await new Promise<Found>((resolve, reject) => {
      timer = setTimeout(() => reject(new Error(`not read within ${timeLimitMs / 1000} s`)), timeLimitMs);
      worker.once("message", resolve);
      worker.once("error", reject);
      worker.once("exit", (code) => reject(new Error(`the thread ended with code ${code}`)));
    });
  } finally {
    clearTimeout(timer);
    await worker.terminate();
  }
}
