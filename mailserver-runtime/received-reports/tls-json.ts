/** Reads a TLS report (RFC 8460 §4). Pure. */
import { z } from "zod";
import { whereOf } from "./dmarc-xml.ts";
import { type TlsReport, tlsReportSchema, UnreadableReport } from "./received-report.ts";

const text = z.string().default("");
const count = z.number().int().min(0).default(0);
const time = z.string().transform((value, context) => {
  const seconds = Math.floor(Date.parse(value) / 1000);
  if (Number.isNaN(seconds)) context.addIssue({ code: "custom", message: "is no date" });
  return seconds;
});
const fileSchema = z.object({
  "organization-name": text,
  "date-range": z.object({ "start-datetime": time, "end-datetime": time }),
  "report-id": text,
  policies: z.array(
    z.object({
      policy: z.object({ "policy-type": text, "policy-domain": z.string().min(1) }),
      summary: z.object({
        "total-successful-session-count": count,
        "total-failure-session-count": count,
      }),
      "failure-details": z
        .array(
          z.object({
            "result-type": text,
            "receiving-mx-hostname": text,
            "failed-session-count": count,
            "failure-reason-code": text,
          }),
        )
        .default([]),
    }),
  ),
});

/** @throws {UnreadableReport} */
export function readTlsJson(json: string): TlsReport {
  let value: unknown;
  try {
    value = JSON.parse(json);
  } catch (error) {
    throw new UnreadableReport(`it is no JSON: ${(error as Error).message}`);
  }
  const file = fileSchema.safeParse(value);
  if (!file.success) throw new UnreadableReport(`it is no TLS report: ${whereOf(file.error)}`);
  const range = file.data["date-range"];
  const report = tlsReportSchema.safeParse({
    kind: "tls",
    organization: file.data["organization-name"],
    reportId: file.data["report-id"],
    begin: range["start-datetime"],
    end: range["end-datetime"],
    policies: file.data.policies.map(({ policy, summary, "failure-details": details }) => ({
      domain: policy["policy-domain"].toLowerCase().replace(/\.$/, ""),
      type: policy["policy-type"],
      successful: summary["total-successful-session-count"],
      failed: summary["total-failure-session-count"],
      failures: details.map((detail) => ({
        type: detail["result-type"],
        mx: detail["receiving-mx-hostname"],
        count: detail["failed-session-count"],
        reason: detail["failure-reason-code"],
      })),
    })),
  });
  if (!report.success) throw new UnreadableReport(`it is no TLS report: ${whereOf(report.error)}`);
  return report.data;
}
