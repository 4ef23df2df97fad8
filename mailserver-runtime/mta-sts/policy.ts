/**
 * An MTA-STS policy and its record (RFC 8461 §3.1, §3.2), read by mailauth's strict parsers. Pure but for the resolver.
 */
import { createRequire } from "node:module";
import { type MailauthResolver, toMailauthResolver } from "../dns/mailauth-resolver.ts";
import type { Resolver } from "../dns/resolver.ts";
import type { TlsFailure } from "../queue/client/tls-policy.ts";

export interface StsPolicy {
  /** The id of the TXT record under which it was fetched. */
  readonly id: string;
  /** `none`: the domain takes its policy back, and is as one without (RFC 8461 §8.3). */
  readonly mode: "enforce" | "testing" | "none";
  /** Host names, or `*.` for exactly one label before the rest. */
  readonly mx: readonly string[];
  /** Seconds; at most 31,557,600. */
  readonly maxAge: number;
  /** The lines of its file, for TLS reports. */
  readonly lines: readonly string[];
}

/** A policy that cannot be had or read, as TLS reports name it. */
export class StsError extends Error {
  override name = "StsError";
  readonly type: "sts-policy-fetch-error" | "sts-policy-invalid" | "sts-webpki-invalid";
  constructor(type: StsError["type"], message: string) {
    super(message);
    this.type = type;
  }
  get failure(): TlsFailure {
    return { type: this.type, text: this.message };
  }
}

/** What the TXT record at `_mta-sts.<domain>` says. */
export type StsRecord =
  | { readonly kind: "id"; readonly id: string }
  /** There is none, or it cannot be looked up now: a policy that is kept stays in force. */
  | { readonly kind: "absent" }
  | { readonly kind: "invalid"; readonly reason: string };

/** Lines of a policy file kept for reports; more says nothing more. */
const MAX_LINES = 100;

/** Reads the record; never rejects. */
export async function readRecord(domain: string, resolver: Resolver): Promise<StsRecord> {
  try {
    const lookUp: MailauthResolver = toMailauthResolver(resolver);
    const id = await mtaSts().resolvePolicy(domain, { resolver: lookUp as never, strict: true });
    if (typeof id === "string") return { kind: "id", id };
    const { records } = await resolver.resolve(`_mta-sts.${domain}`, "TXT");
    const claims = records.some(({ strings }) => /^v=STSv1[ \t]*;/.test(strings.join("")));
    return claims
      ? { kind: "invalid", reason: `the TXT record of _mta-sts.${domain} breaks RFC 8461 §3.1` }
      : { kind: "absent" };
  } catch (error) {
    if ((error as { code?: unknown }).code === "multi_sts_records")
      return { kind: "invalid", reason: `_mta-sts.${domain} has several TXT records that begin v=STSv1` };
    return { kind: "absent" };
  }
}

/** Reads a policy file that stood under this id. @throws {StsError} sts-policy-invalid */
export function readPolicy(id: string, file: string): StsPolicy {
  try {
    const { mode, mx = [], maxAge } = mtaSts().parsePolicy(file, { strict: true });
    if (maxAge === undefined) throw new RangeError("max_age is missing");
    const lines = file
      .split(/\r?\n/)
      .filter((line) => line.trim() !== "")
      .slice(0, MAX_LINES);
    return { id, mode, mx, maxAge, lines };
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw new StsError("sts-policy-invalid", `the MTA-STS policy cannot be used: ${reason}`);
  }
}

/** Whether a host is one that the policy names (RFC 8461 §4.1). */
export function namesHost(policy: StsPolicy, host: string): boolean {
  return mtaSts().validateMx(host, { ...policy, mx: [...policy.mx] } as never).valid;
}

type MtaSts = Pick<typeof import("mailauth/lib/mta-sts.js"), "resolvePolicy" | "parsePolicy" | "validateMx">;
let loaded: MtaSts | undefined;

/** The library's module, loaded at first need and alone: its main entry brings much more. */
function mtaSts(): MtaSts {
  loaded ??= createRequire(import.meta.url)("mailauth/lib/mta-sts") as MtaSts;
  return loaded;
}
