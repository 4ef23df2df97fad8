/**
 * The policies that were fetched, each in a file of its own below one directory, so that they hold over a restart: what
 * a domain once asked for must not be forgotten because an attacker makes us start anew (RFC 8461 §3.3, §10.2).
 *
 * The files are read once and held in memory. They are bounded in number: what was used longest ago goes first.
 */
import { createHash } from "node:crypto";
import { readdir } from "node:fs/promises";
import { join } from "node:path";
import { z } from "zod";
import {
  makeDirectory,
  readIfPresent,
  removeDurably,
  UNFINISHED,
  writeDurably,
} from "../config/durable-file.ts";
import type { Log } from "../net/log.ts";
import type { StsPolicy } from "./policy.ts";

export interface KeptPolicy extends StsPolicy {
  readonly domain: string;
  /** Milliseconds since the epoch; `fetchedAt` is of the last successful fetch, `usedAt` of the last look-up before the last write. */
  readonly fetchedAt: number;
  readonly usedAt: number;
}

const fileSchema = z.object({
  domain: z.string().min(1),
  id: z.string(),
  mode: z.enum(["enforce", "testing", "none"]),
  mx: z.array(z.string()),
  maxAge: z.int().min(0),
  lines: z.array(z.string()),
  fetchedAt: z.number(),
  usedAt: z.number(),
});

/** Policies kept; a server that mails more domains with MTA-STS than this fetches some of them again. */
const MAX_POLICIES = 10_000;
/** Octets that a file's name may have. */
const MAX_FILE_NAME = 240;

export class KeptPolicies {
  readonly #directory: string;
  readonly #log: Log;
  /** In order of last use. */
  readonly #policies = new Map<string, KeptPolicy>();

  private constructor(directory: string, log: Log) {
    this.#directory = directory;
    this.#log = log;
  }

  /** Reads what is kept. A file that cannot be understood is named in the log and passed over. */
  static async open(directory: string, log: Log): Promise<KeptPolicies> {
    await makeDirectory(directory, 0o700);
    const kept = new KeptPolicies(directory, log);
    const found: KeptPolicy[] = [];
    for (const name of await readdir(directory)) {
      if (name.startsWith(UNFINISHED) || !name.endsWith(".json")) continue;
      const policy = parsed(await readIfPresent(join(directory, name)));
      if (policy !== undefined && fileName(policy.domain) === name) found.push(policy);
      else log.warn({ event: "mta-sts-file-unreadable", file: join(directory, name) });
    }
    for (const policy of found.sort((a, b) => a.usedAt - b.usedAt)) kept.#policies.set(policy.domain, policy);
    return kept;
  }

  /** The policy kept for a domain, whatever its age; it counts as used at `now`. */
  use(domain: string, now: number): KeptPolicy | undefined {
    const policy = this.#policies.get(domain);
    if (policy === undefined) return undefined;
    const used = { ...policy, usedAt: now };
    this.#policies.delete(domain);
    this.#policies.set(domain, used);
    return used;
  }

  /** The policy kept for a domain, without its being used. */
  peek(domain: string): KeptPolicy | undefined {
    return this.#policies.get(domain);
  }

  all(): readonly KeptPolicy[] {
    return [...this.#policies.values()];
  }

  /** Keeps a policy; in force at once, and on disk when it resolves. A disk that fails is named in the log. */
  async keep(policy: KeptPolicy): Promise<void> {
    this.#policies.delete(policy.domain);
    this.#policies.set(policy.domain, policy);
    try {
      await writeDurably(this.#path(policy.domain), `${JSON.stringify(policy)}\n`);
      for (const oldest of this.#policies.keys()) {
        if (this.#policies.size <= MAX_POLICIES) break;
        await this.forget(oldest);
      }
    } catch (error) {
      this.#log.error({ event: "mta-sts-not-kept", domain: policy.domain, error: String(error) });
    }
  }

  async forget(domain: string): Promise<void> {
    this.#policies.delete(domain);
    await removeDurably(this.#path(domain));
  }

  #path(domain: string): string {
    return join(this.#directory, fileName(domain));
  }
}

function fileName(domain: string): string {
  const name = encodeURIComponent(domain);
  return `${name.length <= MAX_FILE_NAME ? name : createHash("sha256").update(name).digest("hex")}.json`;
}

function parsed(text: string | undefined): KeptPolicy | undefined {
  try {
    const result = fileSchema.safeParse(JSON.parse(text ?? ""));
    return result.success ? result.data : undefined;
  } catch {
    return undefined;
  }
}
