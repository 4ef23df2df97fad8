/** What is counted of a message that came in its author domain's name: who sent it, and whether DMARC passed. Pure. */
import type { DKIMVerifyResult, DMARCResult, SPFResult } from "mailauth";
import { z } from "zod";
import type { InboundMessage, Verdict } from "../filter/pipeline.ts";
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
  readonly dmarc: DMARCResult | false;
  readonly spf: SPFResult;
  readonly dkim: DKIMVerifyResult;
}

/** The row of a message; undefined where no DMARC record was applied to it, or none could be told. */
export function dmarcRow(message: InboundMessage, facts: DmarcFacts, verdict: Verdict): DmarcRow | undefined {
  const { dmarc, spf, dkim } = facts;
  if (dmarc === false || dmarc.rr === undefined) return undefined;
  const { result } = dmarc.status;
  if (result !== "pass" && result !== "fail") return undefined;
  const tags = dmarcTags(dmarc.rr);
  const asked = result === "fail" ? dmarc.policy : "none";
  const disposition = dispositionOf(asked, verdict.action.kind);
  const headerFrom = dmarc.status.header?.from ?? domainOf(dkim.headerFrom[0] ?? "");
  return {
    domain: dmarc.policyDomain ?? dmarc.domain,
    published: {
      adkim: tags.get("adkim") ?? "r",
      aspf: tags.get("aspf") ?? "r",
      p: dmarc.p,
      sp: tags.get("sp") ?? dmarc.p,
      pct: tags.get("pct"),
    },
    source: message.client.address,
    headerFrom,
    envelopeFrom: domainOf(message.from).toLowerCase(),
    disposition,
    overridden: asked !== disposition,
    dkimAligned: Boolean(dmarc.alignment.dkim.result),
    spfAligned: Boolean(dmarc.alignment.spf.result),
    dkim: dkim.results
      .slice(0, MAX_SIGNATURES)
      .flatMap(({ signingDomain, selector, status }) =>
        signingDomain === undefined
          ? []
          : [{ domain: signingDomain, selector: selector ?? "", result: status.result }],
      ),
    spf: { domain: spf.domain, scope: message.from === "" ? "helo" : "mfrom", result: spf.status.result },
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
