/**
 * Who may issue certificates (RFC 8659), bound to an ACME account where one is given (RFC 8657). A CAA record forbids
 * every authority it does not name, for every server below its name: so it stands at the host's name alone unless more is
 * asked for.
 */
import type { DnsRecord } from "../../../mailserver-runtime/dns/records.ts";
import { leftOut, planned, type Rule, recordField, reportAddress, warning } from "./rule.ts";

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
