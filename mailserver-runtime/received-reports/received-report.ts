/** A report about our domains as it is kept: what people ask of it, and nothing else. Pure. */
import { z } from "zod";

/** Texts of strangers: cut, and without what a terminal would obey. */
const text = z
  .string()
  .transform((value) => value.slice(0, 300).replace(/[\0-\x1f\x7f-\x9f\u202a-\u202e]/g, " "));
const whole = z.number().int().min(0);
/** Seconds since the epoch. */
const moment = z.number().int().min(0);

export const dmarcReportSchema = z.object({
  kind: z.literal("dmarc"),
  organization: text,
  reportId: text,
  /** The domain whose policy it is about. */
  domain: z.string(),
  begin: moment,
  end: moment,
  policy: text,
  sources: z
    .array(
      z.object({
        address: text,
        headerFrom: text,
        count: whole,
        disposition: text,
        /** Aligned, as DMARC wants it. */
        dkim: z.boolean(),
        spf: z.boolean(),
      }),
    )
    .max(20_000),
});
export const tlsReportSchema = z.object({
  kind: z.literal("tls"),
  organization: text,
  reportId: text,
  begin: moment,
  end: moment,
  policies: z
    .array(
      z.object({
        domain: z.string(),
        type: text,
        successful: whole,
        failed: whole,
        failures: z.array(z.object({ type: text, mx: text, count: whole, reason: text })).max(2000),
      }),
    )
    .max(1000),
});
export const reportSchema = z.discriminatedUnion("kind", [dmarcReportSchema, tlsReportSchema]);
export type DmarcReport = z.infer<typeof dmarcReportSchema>;
export type TlsReport = z.infer<typeof tlsReportSchema>;
export type ReceivedReport = z.infer<typeof reportSchema>;

/** How a report lies on the disk. */
export const keptReportSchema = z.object({
  /** ISO 8601. */
  receivedAt: z.string(),
  /** A DKIM signature of the message that brought it was good: somebody stands behind it. */
  verified: z.boolean(),
  report: reportSchema,
});
export type KeptReport = z.infer<typeof keptReportSchema>;

/** The domains a report is about. */
export function domainsOf(report: ReceivedReport): readonly string[] {
  return report.kind === "dmarc" ? [report.domain] : report.policies.map(({ domain }) => domain);
}

/** What it says of our domains; undefined: nothing. */
export function ourPart(
  report: ReceivedReport,
  isOurs: (domain: string) => boolean,
): ReceivedReport | undefined {
  if (report.kind === "dmarc") return isOurs(report.domain) ? report : undefined;
  const policies = report.policies.filter(({ domain }) => isOurs(domain));
  return policies.length === 0 ? undefined : { ...report, policies };
}

/** What cannot be read as a report; the message says where it breaks off. */
export class UnreadableReport extends Error {
  override name = "UnreadableReport";
}
