/** Whether verifiers see the records of keys: asked of the DNS as anybody would (RFC 6376 §3.6.2). */
import type { Resolver } from "../dns/resolver.ts";
import type { Visibility } from "./rotation.ts";

export interface WantedRecord {
  readonly selector: string;
  /** The record's p=. */
  readonly publicKey: string;
}

/** Asks for all of them; the first that is not as it should be is named. */
export async function visibilityOf(
  resolver: Resolver,
  domain: string,
  wanted: readonly WantedRecord[],
): Promise<Visibility> {
  let ttl = 0;
  for (const { selector, publicKey } of wanted) {
    const name = `${selector}._domainkey.${domain}`;
    const answer = await resolver.resolve(name, "TXT");
    if (answer.status === "tempfail")
      return { kind: "missing", what: `${name} cannot be asked for (${answer.reason ?? "no answer"})` };
    const texts = answer.records.map(({ strings }) => strings.join(""));
    if (texts.length === 0) return { kind: "missing", what: `${name} has no TXT record yet` };
    if (texts.length > 1)
      return { kind: "missing", what: `${name} has ${texts.length} TXT records; verifiers want one` };
    if (keyIn(texts[0]!) !== publicKey)
      return { kind: "missing", what: `the TXT record of ${name} has another key` };
    ttl = Math.max(ttl, answer.ttl);
  }
  return { kind: "seen", ttl };
}

/** The p= of a record's tag list, without the white space it may have (RFC 6376 §3.6.1). */
function keyIn(text: string): string | undefined {
  return /(?:^|;)\s*p\s*=([^;]*)/.exec(text)?.[1]?.replace(/\s+/g, "");
}
