/**
 * MTA-STS for mail that goes out (RFC 8461).
 *
 * A domain says in a file at https://mta-sts.<domain>/.well-known/mta-sts.txt which hosts take its mail, and that they
 * have certificates of the public authorities. Senders fetch the file once, keep it for the time it names, and from then
 * on refuse hosts that do not fit (`enforce`), or only report them (`testing`). A TXT record at `_mta-sts.<domain>` says
 * that there is a policy, and with a new `id` that it has changed. So an attacker who can forge DNS or strip STARTTLS is
 * found out, except at the very first contact.
 *
 * This room promises: a policy once fetched stays in force until its time has run out, over restarts, broken DNS and a web
 * server that is down (§3.3); it is fetched anew daily, before that time ends, and at once when the id changes. A domain
 * whose policy cannot be had and none is kept is treated as one without (§3.3), and the failure is handed on for TLS
 * reports. It never holds a delivery longer than one fetch may take, and asks a broken policy host once in five minutes.
 */
import type { ConnectionOptions } from "node:tls";
import { domainName, isDomainName } from "../dns/records.ts";
import type { Resolver } from "../dns/resolver.ts";
import type { Log } from "../net/log.ts";
import type { TlsFailure } from "../queue/client/tls-policy.ts";
import { fetchPolicyFile } from "./fetch.ts";
import { KeptPolicies, type KeptPolicy } from "./kept-policies.ts";
import { readPolicy, readRecord, StsError, type StsPolicy } from "./policy.ts";

export interface MtaStsOptions {
  /** Where policies are kept; made where it is not there yet. */
  readonly directory: string;
  readonly resolver: Resolver;
  readonly log: Log;
  /** Authorities that policy hosts are trusted by; Node's own where absent. */
  readonly ca?: ConnectionOptions["ca"];
  /** Of policy hosts; 443 but in tests. */
  readonly port?: number;
  readonly fetchTimeoutMs?: number;
  /** Milliseconds since the epoch. */
  readonly clock?: () => number;
}
export interface StsAnswer {
  /** The policy in force; undefined where there is none, or one of mode `none`. */
  readonly policy: StsPolicy | undefined;
  /** Why a newer one could not be had. */
  readonly failure: TlsFailure | undefined;
}
export interface MtaSts {
  /** The policy for mail to a domain; never rejects. */
  policyFor(domain: string): Promise<StsAnswer>;
  /** Fetches again what is due; the server calls it by itself every hour. */
  refresh(): Promise<void>;
  close(): void;
}

const MINUTE = 60_000;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;
/** RFC 8461 §3.3: five minutes or more between tries for one version of a policy. */
const RETRY_MS = 5 * MINUTE;
/** Policies of domains that nobody has mailed for so long are let go when their time ends. */
const IDLE_MS = 30 * DAY;
/** Failures remembered. */
const MAX_FAILURES = 10_000;

interface Failed {
  readonly id: string;
  readonly until: number;
  readonly failure: TlsFailure;
}

export async function openMtaSts(options: MtaStsOptions): Promise<MtaSts> {
  const { resolver, log, ca, port } = options;
  const clock = options.clock ?? Date.now;
  const kept = await KeptPolicies.open(options.directory, log);
  const stop = new AbortController();
  const failed = new Map<string, Failed>();
  const underWay = new Map<string, Promise<KeptPolicy | TlsFailure>>();
  const timer = setInterval(() => void refresh(), HOUR);
  timer.unref();
  return {
    async policyFor(name) {
      // An address literal has no name at which anything could be published.
      return isDomainName(name) ? inForce(domainName(name)) : { policy: undefined, failure: undefined };
    },
    refresh,
    close() {
      clearInterval(timer);
      stop.abort();
    },
  };

  async function inForce(domain: string): Promise<StsAnswer> {
    const record = await readRecord(domain, resolver);
    const now = clock();
    const before = kept.use(domain, now);
    const live = before !== undefined && now < expiryOf(before) ? before : undefined;
    if (record.kind === "absent") return answer(live, undefined);
    if (record.kind === "invalid") return answer(live, { type: "sts-policy-invalid", text: record.reason });
    if (live?.id === record.id) {
      if (now >= dueAt(live)) void renew(domain, record.id);
      return answer(live, undefined);
    }
    const got = await renew(domain, record.id);
    return "type" in got ? answer(live, got) : answer(got, undefined);
  }

  /** Fetches a policy, once for all who wait, unless that failed a moment ago. */
  async function renew(domain: string, id: string): Promise<KeptPolicy | TlsFailure> {
    const last = failed.get(domain);
    if (last?.id === id && clock() < last.until) return last.failure;
    const running = underWay.get(domain) ?? fetchAnew(domain, id).finally(() => underWay.delete(domain));
    underWay.set(domain, running);
    return running;
  }

  async function fetchAnew(domain: string, id: string): Promise<KeptPolicy | TlsFailure> {
    try {
      const file = await fetchPolicyFile(domain, {
        resolver,
        ca,
        port,
        timeoutMs: options.fetchTimeoutMs,
        signal: stop.signal,
      });
      const now = clock();
      const usedAt = kept.peek(domain)?.usedAt ?? now;
      const policy: KeptPolicy = { ...readPolicy(id, file), domain, fetchedAt: now, usedAt };
      await kept.keep(policy);
      failed.delete(domain);
      const { mode, mx, maxAge } = policy;
      log.info({ event: "mta-sts-policy", domain, id, mode, mx, maxAge }, "MTA-STS policy fetched");
      return policy;
    } catch (error) {
      const failure = asStsError(error).failure;
      failed.delete(domain);
      failed.set(domain, { id, until: clock() + RETRY_MS, failure });
      for (const oldest of failed.keys()) {
        if (failed.size <= MAX_FAILURES) break;
        failed.delete(oldest);
      }
      log.warn({ event: "mta-sts-failed", domain, id, reason: failure.text }, "no MTA-STS policy");
      return failure;
    }
  }

  async function refresh(): Promise<void> {
    for (const policy of kept.all()) {
      if (stop.signal.aborted) return;
      const now = clock();
      const idle = now - policy.usedAt > IDLE_MS;
      if (now >= expiryOf(policy) + IDLE_MS) await kept.forget(policy.domain);
      else if (!idle && now >= dueAt(policy)) {
        const record = await readRecord(policy.domain, resolver);
        await renew(policy.domain, record.kind === "id" ? record.id : policy.id);
      }
    }
  }
}

const expiryOf = ({ fetchedAt, maxAge }: KeptPolicy): number => fetchedAt + maxAge * 1000;

/** Daily, and in good time before a shorter life ends (RFC 8461 §3.3, §10.2). */
const dueAt = ({ fetchedAt, maxAge }: KeptPolicy): number => fetchedAt + Math.min(DAY, (maxAge * 1000) / 2);

function answer(policy: KeptPolicy | undefined, failure: TlsFailure | undefined): StsAnswer {
  return { policy: policy?.mode === "none" ? undefined : policy, failure };
}

function asStsError(error: unknown): StsError {
  if (error instanceof StsError) return error;
  return new StsError("sts-policy-fetch-error", error instanceof Error ? error.message : String(error));
}
