/**
 * The DNS Tree Walk (RFC 9989 §4.10): which records stand above a name, whose they are, and what its
 * organizational domain is. At most eight questions a walk; walks of one message share their answers.
 */
import { isIP } from "node:net";
import type { ResolveOptions, Resolver } from "../../dns/resolver.ts";
import { type DmarcRecord, parseDmarcRecord } from "./record.ts";

export interface FoundRecord {
  readonly domain: string;
  readonly record: DmarcRecord;
}
export interface Walk {
  /** Longest name first. */
  readonly found: readonly FoundRecord[];
  /** A question that had no answer ended the walk there. */
  readonly failure: string | undefined;
}

/** A name of eight and more labels is asked for itself and then from seven on (step 4). */
const MOST_LABELS = 7;

export class TreeWalker {
  readonly #resolver: Resolver;
  readonly #options: ResolveOptions | undefined;
  readonly #walks = new Map<string, Promise<Walk>>();
  readonly #records = new Map<string, Promise<DmarcRecord | "failed" | undefined>>();

  constructor(resolver: Resolver, options?: ResolveOptions) {
    this.#resolver = resolver;
    this.#options = options;
  }

  /** `domain` in lower case, a-labels. */
  walk(domain: string): Promise<Walk> {
    let walk = this.#walks.get(domain);
    if (walk === undefined) {
      walk = this.#walk(domain);
      this.#walks.set(domain, walk);
    }
    return walk;
  }
  async #walk(domain: string): Promise<Walk> {
    const found: FoundRecord[] = [];
    if (isIP(domain) !== 0 || domain.startsWith("[")) return { found, failure: undefined };
    let labels = domain.split(".");
    while (labels.length > 0) {
      const name = labels.join(".");
      const record = await this.#recordAt(name);
      if (record === "failed") return { found, failure: `no answer for _dmarc.${name}` };
      if (record !== undefined) {
        found.push({ domain: name, record });
        if (record.publicSuffix !== undefined) break;
      }
      labels = labels.slice(labels.length > MOST_LABELS ? -MOST_LABELS : 1);
    }
    return { found, failure: undefined };
  }

  #recordAt(name: string): Promise<DmarcRecord | "failed" | undefined> {
    let record = this.#records.get(name);
    if (record === undefined) {
      record = this.#ask(name);
      this.#records.set(name, record);
    }
    return record;
  }
  async #ask(name: string): Promise<DmarcRecord | "failed" | undefined> {
    const answer = await this.#resolver.resolve(`_dmarc.${name}`, "TXT", this.#options);
    if (answer.status === "tempfail") return "failed";
    const records = answer.records.flatMap(({ strings }) => parseDmarcRecord(strings.join("").trim()) ?? []);
    // Several are as good as none (steps 2 and 6).
    return records.length === 1 ? records[0] : undefined;
  }
}

/** The organizational domain by a walk that ended well (§4.10.2). */
export function organizationalDomain(domain: string, { found }: Walk): string {
  for (const { domain: at, record } of found) {
    if (record.publicSuffix === "n") return at;
    // The name one label below the public suffix.
    if (record.publicSuffix === "y" && at !== domain)
      return domain
        .split(".")
        .slice(-(at.split(".").length + 1))
        .join(".");
  }
  return found.at(-1)?.domain ?? domain;
}
