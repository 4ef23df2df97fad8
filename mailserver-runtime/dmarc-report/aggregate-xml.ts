/**
 * A day's rows of one domain as the XML of an aggregate report (RFC 7489 appendix C), which readers of RFC 9990 take as
 * well. Pure.
 */
import type { Counted } from "../reports/day-tally.ts";
import type { DmarcRow } from "./dmarc-row.ts";

export interface AggregateInput {
  readonly domain: string;
  readonly rows: readonly Counted<DmarcRow>[];
  readonly organization: string;
  readonly contact: string;
  readonly reportId: string;
  /** Milliseconds since the epoch; the end is the first moment after the day. */
  readonly begin: number;
  readonly end: number;
}

/** An element: its name, and what stands in it. */
type Node = readonly [name: string, content: string | readonly Node[]];

/** `rows` is not empty. The policy told is that of the most frequent row. */
export function aggregateXml(input: AggregateInput): string {
  const rows = input.rows.toSorted((a, b) => b.count - a.count);
  const { published } = rows[0]!.row;
  const feedback: Node = [
    "feedback",
    [
      ["version", "1.0"],
      [
        "report_metadata",
        [
          ["org_name", input.organization],
          ["email", input.contact],
          ["report_id", input.reportId],
          [
            "date_range",
            [
              ["begin", String(input.begin / 1000)],
              ["end", String(input.end / 1000 - 1)],
            ],
          ],
        ],
      ],
      [
        "policy_published",
        [
          ["domain", input.domain],
          ["adkim", published.adkim],
          ["aspf", published.aspf],
          ["p", published.p],
          ["sp", published.sp],
          ["pct", published.pct ?? "100"],
        ],
      ],
      ...rows.map(record),
    ],
  ];
  return `<?xml version="1.0" encoding="UTF-8"?>\n${written(feedback, "")}`;
}

function record({ row, count }: Counted<DmarcRow>): Node {
  const result = (passed: boolean): string => (passed ? "pass" : "fail");
  const reason: readonly Node[] = row.overridden
    ? [
        [
          "reason",
          [
            ["type", "local_policy"],
            ["comment", "the receiver's own judgement"],
          ],
        ],
      ]
    : [];
  return [
    "record",
    [
      [
        "row",
        [
          ["source_ip", row.source],
          ["count", String(count)],
          [
            "policy_evaluated",
            [
              ["disposition", row.disposition],
              ["dkim", result(row.dkimAligned)],
              ["spf", result(row.spfAligned)],
              ...reason,
            ],
          ],
        ],
      ],
      [
        "identifiers",
        [
          ["envelope_from", row.envelopeFrom],
          ["header_from", row.headerFrom],
        ],
      ],
      [
        "auth_results",
        [
          ...row.dkim.map(
            ({ domain, selector, result: outcome }): Node => [
              "dkim",
              [
                ["domain", domain],
                ["selector", selector],
                ["result", outcome],
              ],
            ],
          ),
          [
            "spf",
            [
              ["domain", row.spf.domain],
              ["scope", row.spf.scope],
              ["result", row.spf.result],
            ],
          ],
        ],
      ],
    ],
  ];
}

function written([name, content]: Node, indent: string): string {
  if (typeof content === "string") return `${indent}<${name}>${escaped(content)}</${name}>\n`;
  return `${indent}<${name}>\n${content.map((each) => written(each, `${indent}  `)).join("")}${indent}</${name}>\n`;
}

const ENTITIES: Readonly<Record<string, string>> = { "&": "&amp;", "<": "&lt;", ">": "&gt;" };

/** Text as XML 1.0 may have it: what strangers wrote is in it. */
function escaped(text: string): string {
  return text
    .replace(/[^\t\n\r\x20-\ud7ff\ue000-\ufffd]/g, "\ufffd")
    .replace(/[&<>]/g, (character) => ENTITIES[character]!);
}
