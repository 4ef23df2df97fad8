/**
 * MTA-STS (RFC 8461): the record that tells senders of a policy, and the policy's text. What is published in the DNS and
 * what HTTPS must serve are made of the same bytes here, so the id changes exactly when the text does.
 */
import { createHash } from "node:crypto";
import { characterStrings, under } from "../../../mailserver-runtime/dns/records.ts";
import { type MtaStsPolicy, type MtaStsText, PlanError } from "../plan-types.ts";
import { exchangersOf } from "./mx.ts";
import { type DeclaredDomain, leftOut, type MailStackFacts, planned, type Rule } from "./rule.ts";

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
