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
    const demand = byRecords(found, clock());
    if (demand !== undefined) return demand;
    const sts = await options.mtaSts()?.policyFor(domain);
    const published = byMtaSts(sts, target);
    if (found.kind !== "records") return published;
    const unusable = {
      type: "tlsa-invalid",
      text: `no TLSA record of ${found.base} can be used: ${found.strings.join(", ")}`,
    } as const;
    const basis: TlsBasis = {
      ...noBasis,
      type: "tlsa",
      strings: found.strings,
      failures: [unusable, ...published.basis.failures],
    };
    if (published.policy.level !== "opportunistic") return published;
    return { ...published, policy: { level: "encrypt" }, basis };
  };
}

/**
 * The queue's `relayDemand`: a relay's own TLSA records, at the port that mail is handed to it. Its name is the operator's
 * word, so that DANE needs no MX. Undefined where it has none; records of which none can be used ask for TLS alone.
 */
export function createRelayDemand({
  resolver,
  dane,
  clock = Date.now,
}: Pick<TlsDemandOptions, "resolver" | "dane" | "clock">): (
  relay: string,
  target: Target,
) => Promise<TlsDemand | undefined> {
  return async (relay, target) => {
    if (!dane()) return undefined;
    const found = await findDane(relay, { ...target, service: `_${target.port}._tcp` }, resolver);
    const demand = byRecords(found, clock());
    if (demand !== undefined || found.kind === "none") return demand;
    return { ...opportunisticDemand, policy: { level: "encrypt" } };
  };
}

/** What DANE alone decides; undefined where there are no records, or none that can be used. */
function byRecords(found: DaneAnswer, now: number): TlsDemand | undefined {
  if (found.kind === "unknown")
    return {
      policy: { level: "refuse", failure: found.failure },
      hostAuthenticated: false,
      basis: { ...noBasis, type: "tlsa" },
    };
  if (found.kind === "none" || found.usable.length === 0) return undefined;
  const { base, usable, names, strings } = found;
  return {
    policy: {
      level: "judge",
      serverName: base,
      problem: (certificate) => daneProblem(usable, certificate, names, now),
    },
    hostAuthenticated: true,
    basis: { ...noBasis, type: "tlsa", strings },
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
