/** Where senders report what went wrong with TLS on their way to a domain (RFC 8460). */
import { characterStrings, under } from "../../../mailserver-runtime/dns/records.ts";
import { PlanError } from "../plan-types.ts";
import { planned, type Rule, reportAddress } from "./rule.ts";

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

function reportUri(target: string, field: string): string {
  if (!/^https:\/\//i.test(target)) return reportAddress(target, field).uri;
  if (!URL.canParse(target) || /[\s;]/.test(target))
    throw new PlanError("report-address", field, `"${target}" is not an https address`);
  return target.replaceAll(",", "%2C").replaceAll("!", "%21");
}
