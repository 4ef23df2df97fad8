/**
 * What makes other servers deliver over verified TLS: MTA-STS (RFC 8461), DANE (RFC 7672), the reports about both
 * (RFC 8460), and who may issue the certificates (RFC 8659).
 */
import { createHash } from "node:crypto";
import { characterStrings, type DnsRecord, under } from "../../../mailserver-runtime/dns/records.ts";
import { type MtaStsPolicy, type MtaStsText, PlanError } from "../plan-types.ts";
import { exchangersOf } from "./mx.ts";
import {
  type DeclaredDomain,
  leftOut,
  type MailStackFacts,
  planned,
  type Rule,
  recordField,
  reportAddress,
  warning,
} from "./rule.ts";

const WEEK = 604_800;
/** RFC 8461 §3.2. */
const MAX_MAX_AGE = 31_557_600;

/** The TXT record that says a policy is there. The name that serves it is planned with the other HTTPS names. */
export const strictTransport: Rule = function* (facts) {
  for (const domain of facts.domains) {
    const { name } = domain;
    const what = `_mta-sts.${name} TXT`;
    if (domain.mtaSts === undefined || domain.receives === false) continue;
    const policy = mtaStsText(facts, domain, domain.mtaSts);
    const host = under("mta-sts", name);
    if (!facts.served.smtp || !facts.served.smtpTls) {
      yield leftOut(
        what,
        `port 25 of ${facts.host.name} does not offer STARTTLS yet, which the policy would promise`,
      );
    } else if (!facts.served.https.includes(host)) {
      yield leftOut(what, `HTTPS does not answer for ${host} yet, so nobody could read the policy`);
    } else {
      yield planned(
        {
          type: "TXT",
          name: under("_mta-sts", name),
          ttl: facts.ttl,
          strings: characterStrings(`v=STSv1; id=${policy.id};`),
        },
        `An MTA-STS policy (${domain.mtaSts.mode}) stands at https://${host}/.well-known/mta-sts.txt.`,
        name,
      );
    }
  }
};

/** The policy texts of all domains that declare one; each id is made from its text, so it changes with it. */
export function mtaStsTexts(facts: MailStackFacts): MtaStsText[] {
  return facts.domains.flatMap((domain) =>
    domain.mtaSts === undefined || domain.receives === false
      ? []
      : [mtaStsText(facts, domain, domain.mtaSts)],
  );
}

export const transportReports: Rule = function* ({ domains, ttl }) {
  for (const { name, field, tlsRpt, receives } of domains) {
    if (tlsRpt === undefined || tlsRpt.rua.length === 0 || receives === false) continue;
    const uris = tlsRpt.rua.map((target, index) => reportUri(target, `${field}.tlsRpt.rua[${index}]`));
    yield planned(
      {
        type: "TXT",
        name: under("_smtp._tls", name),
        ttl,
        strings: characterStrings(`v=TLSRPTv1; rua=${uris.join(",")}`),
      },
      `Senders report TLS failures towards ${name} to ${tlsRpt.rua.join(", ")} (RFC 8460).`,
      name,
    );
  }
};

/** TLSA 3 1 1 of the key in use and of the next one (RFC 7671 §8.1). */
export const daneKeys: Rule = function* ({ host, ttl, served, tlsKeys }) {
  if (tlsKeys === undefined) return;
  const name = under("_25._tcp", host.name);
  if (!served.smtp || !served.smtpTls) {
    yield leftOut(`${name} TLSA`, `port 25 of ${host.name} does not offer STARTTLS with this key yet`);
    return;
  }
  const keys = [
    {
      field: "tlsKeys.current",
      hash: tlsKeys.current,
      reason: `The key of ${host.name}'s certificate, for DANE (RFC 7672).`,
    },
    {
      field: "tlsKeys.next",
      hash: tlsKeys.next,
      reason: `The next key of ${host.name}, published before it is used (RFC 7671 §8.1).`,
    },
  ];
  for (const { field, hash, reason } of keys) {
    if (hash === undefined) continue;
    if (!/^[0-9a-f]{64}$/i.test(hash))
      throw new PlanError(
        "policy",
        field,
        "the key is given as the SHA-256 of its SubjectPublicKeyInfo, 64 hex digits",
      );
    yield planned(
      { type: "TLSA", name, ttl, usage: 3, selector: 1, matchingType: 1, certificate: hash.toLowerCase() },
      reason,
    );
  }
};

export const certificateAuthorities: Rule = function* (facts) {
  const authority = facts.certificateAuthority;
  if (authority === undefined) return;
  const { host, domains } = facts;
  const hostIsDomain = domains.some(({ name }) => name === host.name);
  if (authority.scope !== "domains" && hostIsDomain) {
    yield leftOut(
      `${host.name} CAA`,
      `${host.name} is a declared domain, and a CAA there binds every server below it; set certificateAuthority.scope to "domains" if that is wanted`,
    );
    return;
  }
  const names = new Set(
    authority.scope === "domains" ? [host.name, ...domains.map(({ name }) => name)] : [host.name],
  );
  const parameters = [
    ...(authority.accountUri === undefined ? [] : [`accounturi=${authority.accountUri}`]),
    ...(authority.validationMethods === undefined
      ? []
      : [`validationmethods=${authority.validationMethods.join(",")}`]),
  ];
  for (const name of names) {
    const domain = domains.find((declared) => declared.name === name)?.name;
    const caa = (tag: string, value: string, field: string): DnsRecord =>
      recordField({ type: "CAA", name, ttl: facts.ttl, flags: 0, tag, value }, field);
    for (const [index, issuer] of authority.issuers.entries())
      yield planned(
        caa("issue", [issuer, ...parameters].join("; "), `certificateAuthority.issuers[${index}]`),
        `${issuer} may issue certificates for ${name}${authority.accountUri === undefined ? "" : ", for this account alone"} (RFC 8659).`,
        domain,
      );
    if (authority.iodef !== undefined)
      yield planned(
        caa(
          "iodef",
          reportAddress(authority.iodef, "certificateAuthority.iodef").uri,
          "certificateAuthority.iodef",
        ),
        `Authorities report refused requests for ${name} to ${authority.iodef}.`,
        domain,
      );
  }
  if (authority.issuers.length === 0)
    yield warning("certificateAuthority names no issuer, so no CAA is published; name one, or take it out.");
};

function mtaStsText(facts: MailStackFacts, domain: DeclaredDomain, policy: MtaStsPolicy): MtaStsText {
  const maxAge = policy.maxAge ?? WEEK;
  if (!Number.isInteger(maxAge) || maxAge < 0 || maxAge > MAX_MAX_AGE)
    throw new PlanError(
      "policy",
      `${domain.field}.mtaSts.maxAge`,
      `${maxAge} is not a number of seconds up to ${MAX_MAX_AGE} (RFC 8461 §3.2)`,
    );
  const lines = [
    "version: STSv1",
    `mode: ${policy.mode}`,
    ...exchangersOf(facts, domain).map((exchange) => `mx: ${exchange}`),
    `max_age: ${maxAge}`,
  ];
  const text = lines.map((line) => `${line}\r\n`).join("");
  return { domain: domain.name, id: createHash("sha256").update(text).digest("hex").slice(0, 20), text };
}

function reportUri(target: string, field: string): string {
  if (!/^https:\/\//i.test(target)) return reportAddress(target, field).uri;
  if (!URL.canParse(target) || /[\s;]/.test(target))
    throw new PlanError("report-address", field, `"${target}" is not an https address`);
  return target.replaceAll(",", "%2C").replaceAll("!", "%21");
}
