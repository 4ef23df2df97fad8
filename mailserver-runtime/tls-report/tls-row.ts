/** What is counted of a TLS attempt: the policy that was in force, and how it went (RFC 8460 §4). Pure. */
import { z } from "zod";
import { tlsFailureTypes } from "../queue/client/tls-policy.ts";
import type { TlsAttempt } from "../queue/delivery.ts";

const failureSchema = z.object({
  type: z.enum(tlsFailureTypes),
  mx: z.string().optional(),
  address: z.string().optional(),
  localAddress: z.string().optional(),
  reason: z.string(),
});
const rowSchema = z.object({
  domain: z.string(),
  policy: z.object({
    type: z.enum(["tlsa", "sts", "no-policy-found"]),
    strings: z.array(z.string()),
    mxHosts: z.array(z.string()),
  }),
  /** Absent: a session as the policy wants it. */
  failure: failureSchema.optional(),
});
export type TlsRow = z.infer<typeof rowSchema>;

/** Characters of a reason that are kept: some servers answer with essays. */
const MAX_REASON = 200;
/** Lines of a policy that are kept. */
const MAX_STRINGS = 50;

export function parseTlsRow(value: unknown): TlsRow | undefined {
  const result = rowSchema.safeParse(value);
  return result.success ? result.data : undefined;
}

/** A row for the session, and one for each policy that could not be had on the way to it. */
export function tlsRows({ domain, target, demand, failure }: TlsAttempt): readonly TlsRow[] {
  const { type, strings, mxHosts, failures } = demand.basis;
  const policy = { type, strings: strings.slice(0, MAX_STRINGS), mxHosts: mxHosts.slice(0, MAX_STRINGS) };
  const at = { mx: target.host, address: target.address, localAddress: target.localAddress };
  const session: TlsRow =
    failure === undefined
      ? { domain, policy }
      : { domain, policy, failure: { type: failure.type, ...at, reason: failure.text.slice(0, MAX_REASON) } };
  const missed = failures.map((each): TlsRow => {
    const about = each.type === "tlsa-invalid" ? "tlsa" : "sts";
    return {
      domain,
      policy: about === type ? policy : { type: about, strings: [], mxHosts: [] },
      failure: { type: each.type, reason: each.text.slice(0, MAX_REASON) },
    };
  });
  return [session, ...missed];
}
