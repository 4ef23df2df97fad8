/**
 * What receivers shall do with mail that fails SPF and DKIM, and where they report to (RFC 7489). Reports that go to
 * another organisation's domain need that domain's consent in the DNS (§7.1): published where it is a declared one.
 */
import { getDomain } from "tldts";
import { characterStrings, isWithin, under } from "../../../mailserver-runtime/dns/records.ts";
import type { DmarcPolicy } from "../plan-types.ts";
import { planned, type ReportAddress, type Rule, reportAddress, warning } from "./rule.ts";

export const alignmentPolicies: Rule = function* (facts) {
  for (const domain of facts.domains) {
    const { name, field } = domain;
    const policy = domain.dmarc ?? { policy: "none" };
    const rua = readAddresses(policy.rua, `${field}.dmarc.rua`);
    const ruf = readAddresses(policy.ruf, `${field}.dmarc.ruf`);
    yield planned(
      {
        type: "TXT",
        name: under("_dmarc", name),
        ttl: facts.ttl,
        strings: characterStrings(policyText(policy, rua, ruf)),
      },
      domain.dmarc === undefined
        ? `No DMARC policy is declared for ${name}: p=none changes nothing for receivers, yet counts as having one.`
        : `Mail that claims to be from ${name} and proves it by neither SPF nor DKIM: ${policy.policy}.`,
      name,
    );
    if (policy.policy !== "none" && (domain.dkim ?? []).length === 0)
      yield warning(
        `${name} asks for "${policy.policy}" without a DKIM key: its mail fails DMARC wherever it is forwarded.`,
      );
    for (const target of new Set([...rua, ...ruf].map((report) => report.domain))) {
      if (sameOrganisation(target, name)) continue;
      const consent = under(`${name}._report._dmarc`, target);
      const owner = facts.domains.find((declared) => isWithin(target, declared.name));
      if (owner !== undefined)
        yield planned(
          { type: "TXT", name: consent, ttl: facts.ttl, strings: ["v=DMARC1"] },
          `${target} agrees to get the DMARC reports about ${name} (RFC 7489 §7.1).`,
          owner.name,
        );
      else
        yield warning(
          `DMARC reports about ${name} go to ${target} only when its owner publishes ${consent} TXT "v=DMARC1" (RFC 7489 §7.1).`,
        );
    }
  }
};

function policyText(
  policy: DmarcPolicy,
  rua: readonly ReportAddress[],
  ruf: readonly ReportAddress[],
): string {
  const tags: (readonly [string, string | undefined])[] = [
    ["v", "DMARC1"],
    ["p", policy.policy],
    ["sp", policy.subdomainPolicy],
    ["adkim", policy.dkimAlignment === "strict" ? "s" : undefined],
    ["aspf", policy.spfAlignment === "strict" ? "s" : undefined],
    ["rua", rua.map(({ uri }) => uri).join(",") || undefined],
    ["ruf", ruf.map(({ uri }) => uri).join(",") || undefined],
  ];
  return tags.flatMap(([tag, value]) => (value === undefined ? [] : [`${tag}=${value}`])).join("; ");
}

function readAddresses(addresses: readonly string[] | undefined, field: string): ReportAddress[] {
  return (addresses ?? []).map((address, index) => reportAddress(address, `${field}[${index}]`));
}

/** Whether two domains have one Organizational Domain (RFC 7489 §3.2). */
function sameOrganisation(left: string, right: string): boolean {
  return organisation(left) === organisation(right);
}

function organisation(name: string): string {
  return getDomain(name, { allowPrivateDomains: true }) ?? name;
}
