/**
 * Reads a DMARC aggregate report (RFC 7489 appendix C; RFC 9990, whose elements are the same in a namespace). Pure.
 *
 * The parser knows the five entities of XML and no other: a document with a DTD is refused, so nothing in it can grow or
 * refer to anything outside.
 */
import { XMLParser } from "fast-xml-parser";
import { z } from "zod";
import { type DmarcReport, dmarcReportSchema, UnreadableReport } from "./received-report.ts";

const parser = new XMLParser({
  ignoreAttributes: true,
  removeNSPrefix: true,
  parseTagValue: false,
  trimValues: true,
  isArray: (name) => name === "record",
});

const text = z.string().default("");
const count = z.coerce.number().int().min(0);
const passed = z.string().transform((value) => value.trim().toLowerCase() === "pass");
const feedbackSchema = z.object({
  report_metadata: z.object({
    org_name: text,
    report_id: text,
    date_range: z.object({ begin: count, end: count }),
  }),
  policy_published: z.object({ domain: z.string().min(1), p: text }),
  record: z
    .array(
      z.object({
        row: z.object({
          source_ip: text,
          count,
          policy_evaluated: z.object({
            disposition: text,
            dkim: passed.default(false),
            spf: passed.default(false),
          }),
        }),
        identifiers: z.object({ header_from: text }).default({ header_from: "" }),
      }),
    )
    .default([]),
});

/** @throws {UnreadableReport} */
export function readDmarcXml(xml: string): DmarcReport {
  if (/<!(?:DOCTYPE|ENTITY)/i.test(xml)) throw new UnreadableReport("it has a DTD, which no report needs");
  let parsed: { readonly feedback?: unknown };
  try {
    parsed = parser.parse(xml);
  } catch (error) {
    throw new UnreadableReport(`it is no XML: ${(error as Error).message}`);
  }
  const feedback = feedbackSchema.safeParse(parsed.feedback);
  if (!feedback.success) throw new UnreadableReport(`it is no DMARC report: ${whereOf(feedback.error)}`);
  const { report_metadata: metadata, policy_published: policy, record } = feedback.data;
  const report = dmarcReportSchema.safeParse({
    kind: "dmarc",
    organization: metadata.org_name,
    reportId: metadata.report_id,
    domain: policy.domain.toLowerCase().replace(/\.$/, ""),
    begin: metadata.date_range.begin,
    end: metadata.date_range.end,
    policy: policy.p,
    sources: record.map(({ row, identifiers }) => ({
      address: row.source_ip,
      headerFrom: identifiers.header_from,
      count: row.count,
      disposition: row.policy_evaluated.disposition,
      dkim: row.policy_evaluated.dkim,
      spf: row.policy_evaluated.spf,
    })),
  });
  if (!report.success) throw new UnreadableReport(`it is no DMARC report: ${whereOf(report.error)}`);
  return report.data;
}

/** The first place that breaks the form. */
export function whereOf(error: z.ZodError): string {
  const [issue] = error.issues;
  return issue === undefined ? "unknown" : `${issue.path.join(".") || "the document"}: ${issue.message}`;
}
