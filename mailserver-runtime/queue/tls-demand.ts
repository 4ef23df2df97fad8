/**
 * What a destination has published about TLS, put together: DANE where there is any, else MTA-STS, else nothing.
 *
 * DANE wins (RFC 8461 §2): a host whose TLSA records do not fit gets no mail whatever MTA-STS says. Records that cannot be
 * used ask for TLS with any certificate (RFC 7672 §2.2), and an MTA-STS policy then asks for the rest.
 */
import { type DaneAnswer, findDane } from "../dane/dane.ts";
import { daneProblem } from "../dane/tlsa.ts";
import type { Resolver } from "../dns/resolver.ts";
import type { MtaSts, StsAnswer } from "../mta-sts/mta-sts.ts";
import { namesHost } from "../mta-sts/policy.ts";
import type { Target } from "./client/targets.ts";
import {
  noBasis,
  opportunisticDemand,
  type TlsBasis,
  type TlsDemand,
  type TlsPolicy,
} from "./client/tls-policy.ts";

export interface TlsDemandOptions {
  readonly resolver: Resolver;
  /** Absent: MTA-STS is not asked for. */
  readonly mtaSts: () => Pick<MtaSts, "policyFor"> | undefined;
  readonly dane: () => boolean;
  /** Milliseconds since the epoch. */
  readonly clock?: () => number;
}

/** The queue's `tlsDemand`. */
export function createTlsDemand(
  options: TlsDemandOptions,
): (domain: string, target: Target) => Promise<TlsDemand> {
  const { resolver, clock = Date.now } = options;
  return async (domain, target) => {
    const found: DaneAnswer = options.dane() ? await findDane(domain, target, resolver) : { kind: "none" };
    if (found.kind === "unknown")
      return {
        policy: { level: "refuse", failure: found.failure },
        hostAuthenticated: false,
        basis: { ...noBasis, type: "tlsa" },
      };
    if (found.kind === "records" && found.usable.length > 0) {
      const { base, usable, names, strings } = found;
      return {
        policy: {
          level: "judge",
          serverName: base,
          problem: (certificate) => daneProblem(usable, certificate, names, clock()),
        },
        hostAuthenticated: true,
        basis: { ...noBasis, type: "tlsa", strings },
      };
    }
    const sts = await options.mtaSts()?.policyFor(domain);
    const demand = byMtaSts(sts, target);
    if (found.kind !== "records") return demand;
    const unusable = {
      type: "tlsa-invalid",
      text: `no TLSA record of ${found.base} can be used: ${found.strings.join(", ")}`,
    } as const;
    const basis: TlsBasis = {
      ...noBasis,
      type: "tlsa",
      strings: found.strings,
      failures: [unusable, ...demand.basis.failures],
    };
    if (demand.policy.level !== "opportunistic") return demand;
    return { ...demand, policy: { level: "encrypt" }, basis };
  };
}

function byMtaSts(sts: StsAnswer | undefined, { host, secure }: Target): TlsDemand {
  const failures = sts?.failure === undefined ? [] : [sts.failure];
  const policy = sts?.policy;
  if (policy === undefined)
    return { ...opportunisticDemand, hostAuthenticated: secure, basis: { ...noBasis, failures } };
  const listed = namesHost(policy, host);
  const asked: TlsPolicy = listed
    ? { level: "verify", names: [host] }
    : {
        level: "refuse",
        failure: {
          type: "validation-failure",
          text: `${host} is not among the hosts of the MTA-STS policy (${policy.mx.join(", ")})`,
        },
      };
  return {
    policy: policy.mode === "enforce" ? asked : { level: "opportunistic" },
    observed: policy.mode === "testing" ? asked : undefined,
    hostAuthenticated: listed || secure,
    basis: { type: "sts", strings: policy.lines, mxHosts: policy.mx, failures },
  };
}
