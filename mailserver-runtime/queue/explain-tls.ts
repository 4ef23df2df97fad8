/** What a destination publishes about TLS, in words, for `mailkeep explain`. */
import { addresses, mxHosts } from "../dns/mail-lookups.ts";
import type { Resolver } from "../dns/resolver.ts";
import type { Target } from "./client/targets.ts";
import type { TlsDemand } from "./client/tls-policy.ts";

export interface ExplainTlsOptions {
  readonly resolver: Resolver;
  readonly port: number;
  readonly tlsDemand: (domain: string, target: Target) => Promise<TlsDemand>;
}

/** Hosts that are told of. */
const MAX_HOSTS = 5;

/**
 * A line for each host:
 *
 * ```
 * TLS to mx.example.org: DANE: a certificate that fits 3 1 1 8a4c… (RFC 7672)
 * ```
 */
export async function explainTls(domain: string, options: ExplainTlsOptions): Promise<readonly string[]> {
  const { resolver, port, tlsDemand } = options;
  const mx = await mxHosts(resolver, domain);
  if (mx.status !== "ok") return [];
  return Promise.all(
    mx.hosts.slice(0, MAX_HOSTS).map(async ({ host }) => {
      const [first] = (await addresses(resolver, host)).addresses;
      if (first === undefined) return `TLS to ${host}: not known, since it has no address now`;
      const target = { host, address: first.address, port, localAddress: undefined, secure: mx.secure };
      return `TLS to ${host}: ${demandWords(await tlsDemand(domain, target))}`;
    }),
  );
}

function demandWords({ policy, observed, basis }: TlsDemand): string {
  const missed = basis.failures.map(({ text }) => ` (${text})`).join("");
  switch (policy.level) {
    case "judge":
      return `DANE: a certificate that fits ${basis.strings.join(" or ")} (RFC 7672)`;
    case "verify":
      return `MTA-STS, enforced: a certificate of a known authority for ${policy.names.join(" or ")} (RFC 8461)${missed}`;
    case "refuse":
      return `mail waits: ${policy.failure.text}`;
    case "encrypt":
      return `TLS with any certificate${missed}`;
    case "opportunistic":
    case "none":
      return observed === undefined
        ? `opportunistic: TLS where it is offered, with any certificate${missed}`
        : `opportunistic; its MTA-STS policy is in mode testing${missed}`;
  }
}
