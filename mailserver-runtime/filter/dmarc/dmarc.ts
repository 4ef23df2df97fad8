/**
 * DMARC (RFC 9989): does the domain in From stand behind this message, and what does it ask for where it
 * does not? It does where SPF or a DKIM signature passed for a domain that is aligned with it: the same one
 * (strict), or one of the same organizational domain (relaxed, §4.4). Never throws for what the DNS says.
 */
import type { ResolveOptions, Resolver } from "../../dns/resolver.ts";
import type { DmarcPolicy, DmarcRecord } from "./record.ts";
import { type FoundRecord, organizationalDomain, TreeWalker, type Walk } from "./tree-walk.ts";

export interface DmarcQuestion {
  /** The author domain: lower case, a-labels. */
  readonly author: string;
  /** Domains for which SPF passed, and those whose signatures verified. */
  readonly spfDomains: readonly string[];
  readonly dkimDomains: readonly string[];
}
export interface DmarcResult {
  readonly result: "none" | "pass" | "fail" | "temperror";
  readonly author: string;
  /** Where the policy that applies was found. */
  readonly policyDomain: string | undefined;
  readonly record: DmarcRecord | undefined;
  /** What the owner asks for in this case, after np=, sp= and t= were looked at. */
  readonly policy: DmarcPolicy | undefined;
  readonly aligned: { readonly spf: string | undefined; readonly dkim: string | undefined };
  /** Why it is a temperror. */
  readonly reason: string | undefined;
}

/** Identifiers that are walked for one message; a message may carry any number of signatures (§4.10.2). */
const MAX_WALKS = 10;
const weaker: Readonly<Record<DmarcPolicy, DmarcPolicy>> = {
  reject: "quarantine",
  quarantine: "none",
  none: "none",
};

export async function verifyDmarc(
  resolver: Resolver,
  question: DmarcQuestion,
  options?: ResolveOptions,
): Promise<DmarcResult> {
  const { author } = question;
  const walker = new TreeWalker(resolver, options);
  const walk = await walker.walk(author);
  const answer = (
    result: DmarcResult["result"],
    more: Partial<Omit<DmarcResult, "result" | "author">> = {},
  ): DmarcResult => ({
    result,
    author,
    policyDomain: undefined,
    record: undefined,
    policy: undefined,
    aligned: { spf: undefined, dkim: undefined },
    reason: undefined,
    ...more,
  });
  // The author domain's own record holds, whatever may stand above it.
  const isOwn = walk.found[0]?.domain === author;
  if (walk.failure !== undefined && !isOwn) return answer("temperror", { reason: walk.failure });
  const organization = walk.failure === undefined ? organizationalDomain(author, walk) : undefined;
  const policyRecord = isOwn ? walk.found[0] : recordOf(organization, walk);
  const published = policyRecord && publishedPolicy(policyRecord.record);
  if (policyRecord === undefined || published === undefined) return answer("none");

  const { record, domain: policyDomain } = policyRecord;
  const alignment = new Alignment(walker, author, organization);
  const aligned = {
    dkim: await alignment.first(question.dkimDomains, record.strictDkim),
    spf: await alignment.first(question.spfDomains, record.strictSpf),
  };
  const known = { policyDomain, record, aligned };
  const applied = isOwn ? published.p : await inherited(resolver, author, published, options);
  const policy = applied === "unknown" ? undefined : record.isTest ? weaker[applied] : applied;
  if (aligned.dkim !== undefined || aligned.spf !== undefined) return answer("pass", { ...known, policy });
  if (alignment.failure !== undefined) return answer("temperror", { ...known, reason: alignment.failure });
  if (policy === undefined)
    return answer("temperror", { ...known, reason: `whether ${author} exists is not known` });
  return answer("fail", { ...known, policy });
}

/** The record of the organizational domain, or that of the public suffix above it (§4.10.1). */
function recordOf(organization: string | undefined, { found }: Walk): FoundRecord | undefined {
  const last = found.at(-1);
  return (
    found.find(({ domain }) => domain === organization) ??
    (last?.record.publicSuffix === "y" ? last : undefined)
  );
}

/** A record without a usable policy asks for none where it asks for reports, and for nothing at all otherwise (§4.10.1). */
function publishedPolicy(
  record: DmarcRecord,
): { readonly p: DmarcPolicy; readonly sp?: DmarcPolicy; readonly np?: DmarcPolicy } | undefined {
  if (record.p !== undefined && !record.isDamaged) return { p: record.p, sp: record.sp, np: record.np };
  return record.reportsTo.length > 0 ? { p: "none" } : undefined;
}

/** sp= where the author domain exists, np= where it does not; p= stands in for both (§4.7). */
async function inherited(
  resolver: Resolver,
  author: string,
  { p, sp = p, np }: { readonly p: DmarcPolicy; readonly sp?: DmarcPolicy; readonly np?: DmarcPolicy },
  options: ResolveOptions | undefined,
): Promise<DmarcPolicy | "unknown"> {
  if (np === undefined || np === sp) return sp;
  const address = await resolver.resolve(author, "A", options);
  if (address.status === "tempfail") return "unknown";
  if (address.status !== "nxdomain") return sp;
  // An alias whose target is gone answers so as well, and yet the name exists (RFC 6604 §3).
  const alias = await resolver.resolve(author, "CNAME", options);
  if (alias.status === "tempfail") return "unknown";
  return alias.status === "ok" ? sp : np;
}

class Alignment {
  /** A walk an answer depended on failed, or was one too many. */
  failure: string | undefined;
  readonly #walker: TreeWalker;
  readonly #author: string;
  /** Undefined where the author's own walk failed. */
  readonly #organization: string | undefined;
  readonly #walked = new Set<string>();

  constructor(walker: TreeWalker, author: string, organization: string | undefined) {
    this.#walker = walker;
    this.#author = author;
    this.#organization = organization;
  }

  /** The first of the domains that is aligned. */
  async first(domains: readonly string[], isStrict: boolean): Promise<string | undefined> {
    for (const given of domains) {
      const domain = given.toLowerCase().replace(/\.$/, "");
      if (domain === this.#author || (!isStrict && (await this.#isRelaxed(domain)))) return domain;
    }
    return undefined;
  }

  async #isRelaxed(domain: string): Promise<boolean> {
    const organization = this.#organization;
    if (organization === undefined) {
      // Without a common last label no walk could make them one.
      if (domain.split(".").at(-1) === this.#author.split(".").at(-1))
        this.failure ??= `the organizational domain of ${this.#author} is not known`;
      return false;
    }
    if (domain !== organization && !domain.endsWith(`.${organization}`)) return false;
    this.#walked.add(domain);
    if (this.#walked.size > MAX_WALKS) {
      this.failure ??= `more than ${MAX_WALKS} domains to compare with ${this.#author}`;
      return false;
    }
    const walk = await this.#walker.walk(domain);
    if (walk.failure !== undefined) {
      this.failure ??= walk.failure;
      return false;
    }
    return organizationalDomain(domain, walk) === organization;
  }
}
