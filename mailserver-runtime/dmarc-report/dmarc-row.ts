/** What is counted of a message that came in its author domain's name: who sent it, and whether DMARC passed. Pure. */
import { z } from "zod";
import type { DkimResult } from "../filter/dkim/verify.ts";
import type { DmarcResult } from "../filter/dmarc/dmarc.ts";
import type { InboundMessage, Verdict } from "../filter/pipeline.ts";
import type { SpfResult } from "../filter/spf/spf.ts";
import { domainOf } from "../message/address.ts";

const rowSchema = z.object({
  /** The domain whose record was applied, and what it says. */
  domain: z.string(),
  published: z.object({
    adkim: z.string(),
    aspf: z.string(),
    p: z.string(),
    sp: z.string(),
    pct: z.string().optional(),
  }),
  source: z.string(),
  headerFrom: z.string(),
  envelopeFrom: z.string(),
  disposition: z.enum(["none", "quarantine", "reject"]),
  /** Something here decided otherwise than the policy asks. */
  overridden: z.boolean(),
  dkimAligned: z.boolean(),
  spfAligned: z.boolean(),
  dkim: z.array(z.object({ domain: z.string(), selector: z.string(), result: z.string() })),
  spf: z.object({ domain: z.string(), scope: z.enum(["mfrom", "helo"]), result: z.string() }),
});
export type DmarcRow = z.infer<typeof rowSchema>;

/** Signatures of one message that are told. */
const MAX_SIGNATURES = 10;

export function parseDmarcRow(value: unknown): DmarcRow | undefined {
  const result = rowSchema.safeParse(value);
  return result.success ? result.data : undefined;
}

export interface DmarcFacts {
  /** Or why there is no author domain. */
  readonly dmarc: DmarcResult | string;
  readonly spf: SpfResult;
  readonly dkim: readonly DkimResult[];
}

/** The row of a message; undefined where no DMARC record was applied to it, or none could be told. */
export function dmarcRow(message: InboundMessage, facts: DmarcFacts, verdict: Verdict): DmarcRow | undefined {
  const { dmarc, spf, dkim } = facts;
  if (typeof dmarc === "string" || dmarc.record === undefined) return undefined;
  const { result, record, aligned } = dmarc;
  if (result !== "pass" && result !== "fail") return undefined;
  const tags = dmarcTags(record.text);
  const asked = result === "fail" ? (dmarc.policy ?? "none") : "none";
  const disposition = dispositionOf(asked, verdict.action.kind);
  const p = record.p ?? "none";
  return {
    domain: dmarc.policyDomain ?? dmarc.author,
    published: {
      adkim: tags.get("adkim") ?? "r",
      aspf: tags.get("aspf") ?? "r",
      p,
      sp: tags.get("sp") ?? p,
      pct: tags.get("pct"),
    },
    source: message.client.address,
    headerFrom: dmarc.author,
    envelopeFrom: domainOf(message.from).toLowerCase(),
    disposition,
    overridden: asked !== disposition,
    dkimAligned: aligned.dkim !== undefined,
    spfAligned: aligned.spf !== undefined,
    dkim: dkim
      .slice(0, MAX_SIGNATURES)
      .flatMap(({ domain, selector = "", result }) =>
        domain === undefined ? [] : [{ domain, selector, result }],
      ),
    spf: { domain: spf.domain, scope: spf.identity === "helo" ? "helo" : "mfrom", result: spf.result },
  };
}

/** What was done, as far as the policy asked for it. */
function dispositionOf(asked: string, done: Verdict["action"]["kind"]): DmarcRow["disposition"] {
  if (asked === "reject" && done === "reject") return "reject";
  if (asked !== "none" && (done === "junk" || done === "reject")) return "quarantine";
  return "none";
}

/** The tags of a DMARC record in lower case (RFC 9989 §4.7); the first of a name counts. */
export function dmarcTags(record: string): ReadonlyMap<string, string> {
  const tags = new Map<string, string>();
  for (const part of record.split(";")) {
    const equals = part.indexOf("=");
    const name = part.slice(0, equals).trim().toLowerCase();
    if (equals > 0 && !tags.has(name)) tags.set(name, part.slice(equals + 1).trim());
  }
  return tags;
}
