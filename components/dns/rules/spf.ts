/**
 * Who may send for a domain (RFC 7208): one record for each, made of the addresses mail really leaves from, the relays'
 * policies, and what was published before.
 *
 * A domain has exactly one SPF record (§3.2), so terms are merged, never put beside. Evaluating it may cost a receiver
 * ten look-ups (§4.6.4); a record that costs more is a permanent error everywhere, and no plan is made for it.
 */
import {
  characterStrings,
  domainName,
  ipAddress,
  isDomainName,
} from "../../../mailserver-runtime/dns/records.ts";
import { PlanError, type SpfInclude } from "../plan-types.ts";
import {
  type DeclaredDomain,
  type Finding,
  type MailStackFacts,
  planned,
  type Rule,
  warning,
} from "./rule.ts";

/** RFC 7208 §4.6.4. */
export const MAX_SPF_LOOKUPS = 10;
/** Above this an answer with other TXT records hardly fits 512 octets (RFC 7208 §3.4). */
const COMFORTABLE_LENGTH = 450;
/** Look-ups left below which unmeasured includes are worth a warning. */
const LITTLE_ROOM = 4;

const ALL = ["-all", "~all", "?all"] as const;
type All = (typeof ALL)[number];

export const senderPolicies: Rule = function* (facts) {
  for (const domain of facts.domains) {
    const policy = senderPolicy(facts, domain);
    yield* policy.notes;
    yield spfRecord(
      facts,
      domain.name,
      policy.text,
      `Says who may send mail as ${domain.name}: ${policy.summary}.`,
      domain.name,
    );
  }
  const { host } = facts;
  if (facts.domains.some(({ name }) => name === host.name)) return;
  const own = addressTerms(facts);
  const terms = own.length > 0 ? own : ["a"];
  yield spfRecord(
    facts,
    host.name,
    ["v=spf1", ...terms, "-all"].join(" "),
    `Bounces have no sender, so receivers check the name in EHLO: only the host may be ${host.name} (RFC 7208 §2.3).`,
  );
};

/**
 * Two records of one domain as the one it may have: the senders of both, and what the old one says about all others. A record
 * that is no SPF adds nothing.
 */
export function mergedPolicy(ours: string, old: string): string {
  try {
    const [mine, before] = [parseExisting(ours, "ours"), parseExisting(old, "old")];
    return unique([
      "v=spf1",
      ...mine.mechanisms,
      ...before.mechanisms,
      ...before.modifiers,
      before.all ?? mine.all ?? "-all",
    ]).join(" ");
  } catch (error) {
    if (error instanceof PlanError) return ours;
    throw error;
  }
}

/** Terms that each cost the evaluator a look-up, besides what an include's own policy costs. */
export function countLookups(terms: readonly string[]): number {
  return terms.filter((term) => /^[+?~-]?(?:include:|exists:|(?:a|mx|ptr)(?:[:/]|$))|^redirect=/i.test(term))
    .length;
}

interface SenderPolicy {
  readonly text: string;
  readonly summary: string;
  readonly notes: readonly Finding[];
}

function senderPolicy(facts: MailStackFacts, domain: DeclaredDomain): SenderPolicy {
  const field = `${domain.field}.spf`;
  const existing = parseExisting(domain.spf?.existing, `${field}.existing`);
  const includes = [
    ...(facts.egress?.includes ?? []).map((include, index) =>
      includeTerm(include, `egress.includes[${index}]`),
    ),
    ...(domain.spf?.includes ?? []).map((include, index) =>
      includeTerm(include, `${field}.includes[${index}]`),
    ),
  ];
  const own = addressTerms(facts);
  const terms = unique([
    ...(own.length > 0 ? own : [`a:${facts.host.name}`]),
    ...existing.mechanisms,
    ...includes.map(({ term }) => term),
  ]);
  const costs = new Map(includes.map(({ term, lookups }) => [term, lookups ?? 0]));
  const lookups = countLookups(terms) + [...costs.values()].reduce((sum, cost) => sum + cost, 0);
  if (lookups > MAX_SPF_LOOKUPS)
    throw new PlanError(
      "spf-lookups",
      field,
      `the SPF record of ${domain.name} would cost ${lookups} DNS look-ups, and more than ${MAX_SPF_LOOKUPS} make it an error ` +
        `everywhere (RFC 7208 §4.6.4). It has ${terms.filter((term) => countLookups([term]) > 0).join(", ")}. ` +
        "Take an include out, or write its addresses instead.",
    );
  const all = domain.spf?.all ?? existing.all ?? "-all";
  const text = unique(["v=spf1", ...terms, ...existing.modifiers, all]).join(" ");
  const notes: Finding[] = existing.notes.map((note) => warning(`${domain.name}: ${note}`));
  const unmeasured = includes.filter((include) => include.lookups === undefined).map(({ term }) => term);
  if (unmeasured.length > 0 && lookups > MAX_SPF_LOOKUPS - LITTLE_ROOM)
    notes.push(
      warning(
        `The SPF record of ${domain.name} costs ${lookups} of ${MAX_SPF_LOOKUPS} look-ups without what ${unmeasured.join(", ")} cost inside; state their look-ups.`,
      ),
    );
  if (text.length > COMFORTABLE_LENGTH)
    notes.push(
      warning(
        `The SPF record of ${domain.name} has ${text.length} octets; beyond ${COMFORTABLE_LENGTH} some receivers need TCP for it (RFC 7208 §3.4).`,
      ),
    );
  const summary = `${terms.length} source${terms.length === 1 ? "" : "s"}, ${lookups} of ${MAX_SPF_LOOKUPS} look-ups`;
  return { text, summary, notes };
}

function addressTerms({ egress, host }: MailStackFacts): string[] {
  const addresses = egress?.addresses ?? [...host.ipv4, ...host.ipv6];
  return unique(addresses.map((address, index) => addressTerm(address, `egress.addresses[${index}]`)));
}

function addressTerm(text: string, field: string): string {
  const [address = "", prefix, extra] = text.split("/");
  const ip = ipAddress(address);
  const bits = ip?.family === 6 ? 128 : 32;
  const length = prefix === undefined ? bits : /^[0-9]{1,3}$/.test(prefix) ? Number(prefix) : -1;
  if (ip === undefined || extra !== undefined || length < 0 || length > bits)
    throw new PlanError(
      "invalid-address",
      field,
      `"${text}" is not an address or a prefix like 192.0.2.0/24`,
    );
  if (length === 0)
    throw new PlanError("spf-syntax", field, `"${text}" would let every machine in the world send as you`);
  return `ip${ip.family}:${ip.text}${length === bits ? "" : `/${length}`}`;
}

function includeTerm(include: SpfInclude, field: string): { term: string; lookups: number | undefined } {
  // Macros are allowed in a domain-spec (RFC 7208 §7); a plain name is made canonical.
  const macro = /^[!-~]*%\{[!-~]+$/.test(include.domain);
  if (!macro && !isDomainName(include.domain))
    throw new PlanError(
      "spf-syntax",
      field,
      `"${include.domain}" is not a domain; write the one the relay documents, e.g. _spf.relay.example`,
    );
  if (include.lookups !== undefined && !(Number.isInteger(include.lookups) && include.lookups >= 0))
    throw new PlanError("spf-syntax", field, "lookups is a whole number from 0");
  return { term: `include:${macro ? include.domain : domainName(include.domain)}`, lookups: include.lookups };
}

interface ExistingPolicy {
  readonly mechanisms: readonly string[];
  readonly modifiers: readonly string[];
  readonly all: All | undefined;
  readonly notes: readonly string[];
}

const MECHANISM =
  /^[+?~-]?(?:include:\S+|exists:\S+|ip4:[0-9./]+|ip6:[0-9A-Fa-f:./]+|(?:a|mx|ptr)(?::[^/\s]+)?(?:\/\S+)?)$/i;

/** Terms of a record somebody published before. */
function parseExisting(record: string | undefined, field: string): ExistingPolicy {
  const [version, ...terms] = (record ?? "v=spf1").trim().split(/ +/);
  if (version?.toLowerCase() !== "v=spf1")
    throw new PlanError(
      "spf-syntax",
      field,
      `"${record}" is not an SPF record: it does not begin with v=spf1`,
    );
  const mechanisms: string[] = [];
  const modifiers: string[] = [];
  const notes: string[] = [];
  let all: All | undefined;
  for (const term of terms) {
    const lower = term.toLowerCase();
    const redirect = /^redirect=(.+)$/i.exec(term)?.[1];
    if (/^[+?~-]?all$/.test(lower)) {
      all = ALL.find((word) => word === lower);
      if (all === undefined)
        notes.push(`the old SPF record says "${term}", which lets everybody send; it becomes -all`);
    } else if (redirect !== undefined) {
      // A redirect beside `all` is never looked at (RFC 7208 §6.1); as an include its senders live on.
      mechanisms.push(`include:${redirect}`);
      notes.push(
        `the old SPF record redirects to ${redirect}; that becomes an include, since a redirect beside other terms has no effect`,
      );
    } else if (MECHANISM.test(term)) mechanisms.push(term.replace(/^\+/, ""));
    else if (/^[a-z][a-z0-9_.-]*=\S*$/i.test(term)) modifiers.push(term);
    else
      throw new PlanError(
        "spf-syntax",
        field,
        `"${term}" is no term of SPF (RFC 7208 §12); correct or remove it`,
      );
  }
  return { mechanisms, modifiers, all, notes };
}

function spfRecord(
  facts: MailStackFacts,
  name: string,
  text: string,
  reason: string,
  domain?: string,
): Finding {
  return planned({ type: "TXT", name, ttl: facts.ttl, strings: characterStrings(text) }, reason, domain);
}

function unique(terms: readonly string[]): string[] {
  const seen = new Map(terms.map((term) => [term.toLowerCase(), term] as const).reverse());
  return [...new Set(terms.map((term) => seen.get(term.toLowerCase())!))];
}
