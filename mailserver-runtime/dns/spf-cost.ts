/**
 * What evaluating an SPF policy costs a receiver in look-ups (RFC 7208 §4.6.4), includes followed to their end: a policy
 * within the limit today breaks when somebody else's include grows, so it is counted as published.
 */
import type { Resolver } from "./resolver.ts";

export const MAX_SPF_LOOKUPS = 10;
/** Counting goes on beyond the limit, to say by how much; not for ever. */
const MOST_COUNTED = 50;

export interface SpfCost {
  readonly lookups: number;
  /** What could not be looked up or says nothing. */
  readonly problems: readonly string[];
}

/** Counts for a domain's published policy; undefined when it has none. */
export async function spfCost(resolver: Resolver, domain: string): Promise<SpfCost | undefined> {
  const problems: string[] = [];
  let lookups = 0;
  const first = await policyOf(domain);
  if (first === undefined) return undefined;
  await count(first, [domain]);
  return { lookups, problems };

  async function count(policy: string, path: readonly string[]): Promise<void> {
    for (const term of policy.split(/\s+/).slice(1)) {
      const costs =
        /^[+?~-]?(include|a|mx|ptr|exists)(?:[:/](.*))?$/i.exec(term) ?? /^(redirect)=(.*)$/i.exec(term);
      if (costs === null || lookups >= MOST_COUNTED) continue;
      lookups++;
      const [, kind = "", target = ""] = costs;
      // A macro is expanded by the receiver for each message: it costs itself, and nobody can say what is behind it.
      if (!/^(include|redirect)$/i.test(kind) || target.includes("%")) continue;
      const name = target.toLowerCase().replace(/\.$/, "");
      if (path.includes(name)) {
        problems.push(`${path.at(-1)} includes ${name}, which includes it again`);
        continue;
      }
      const policy = await policyOf(name);
      if (policy !== undefined) await count(policy, [...path, name]);
      else problems.push(`${name}, which ${path.at(-1)} includes, has no SPF policy`);
    }
  }

  async function policyOf(name: string): Promise<string | undefined> {
    const { records } = await resolver.resolve(name, "TXT");
    return records.map(({ strings }) => strings.join("")).find((text) => /^v=spf1(\s|$)/i.test(text));
  }
}
