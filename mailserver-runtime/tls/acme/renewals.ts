/**
 * Certificates by ACME, of the whole host: for each one that `config/stack/certificates/` declares so, orders the first,
 * and a successor before it ends. One process does this, the first, and one order at a time.
 *
 * A certificate that works is only ever replaced by one that was looked at (order.ts); every failure is written down
 * with its reason, told as a problem, and met with back-off. Until the first order succeeds the host's own authority
 * serves (admin/certificates.ts), so that TLS is there from the start.
 */
import { createHash } from "node:crypto";
import { readdir } from "node:fs/promises";
import { join } from "node:path";
import { readStackObject } from "../../config/stack/files.ts";
import type { Resolver } from "../../dns/resolver.ts";
import type { Log } from "../../net/log.ts";
import type { Directories } from "../../settings/directories.ts";
import { announcedKeys } from "../announced-keys.ts";
import {
  keyFolder,
  readCertificateFolder,
  spkiSha256,
  writeCertificateFolder,
} from "../certificate-files.ts";
import { sameNames } from "../certificate-names.ts";
import { makeKeyOf } from "../key-types.ts";
import { leafFingerprint } from "../leaf-fingerprint.ts";
import { type KeySwitch, mayUseNextKey } from "../tlsa-rollover.ts";
import { acmeFailure } from "./failure.ts";
import { type OrderSurroundings, orderCertificate } from "./order.ts";
import { type Ordered, type RenewalStatus, readRenewalStatus, writeRenewalStatus } from "./renewal-status.ts";
import { dueAt } from "./schedule.ts";

export interface RenewalsOptions {
  readonly directories: Directories;
  readonly log: Log;
  /** Says which keys the DNS announces, and where a proof by DNS-01 belongs. */
  readonly resolver: Resolver;
  /** A certificate has changed on disk: resolves when every port serves it. */
  readonly onIssued: () => Promise<unknown>;
  /** Looks at the declarations this often; default a minute. */
  readonly everyMs?: number;
  /** The time; for tests. */
  readonly now?: () => number;
}
export interface Renewals {
  /** Looks at the declarations now, and orders what is due; resolves when that is done. Never rejects. */
  look(): Promise<void>;
  /** What people should know: orders that failed last. */
  problems(): readonly { readonly file: string; readonly line: number; readonly reason: string }[];
  /** Ends; an order under way is left to itself and found again at the next start. */
  close(): void;
}

/** A declared certificate of one kind of key as it stands. */
export interface AcmeState extends Ordered {
  readonly status: RenewalStatus;
  /** The authority's certificate for these names is in place. */
  readonly issued: boolean;
  /** When it is ordered next; milliseconds since the epoch. */
  readonly dueAt: number;
}

/** How long before a renewal the DNS is watched for the next key: longer than any time to live in use. */
const TLSA_AHEAD_MS = 7 * 86_400_000;

export function startRenewals(options: RenewalsOptions): Renewals {
  const { directories, log, resolver, onIssued } = options;
  const now = options.now ?? Date.now;
  let problems: ReturnType<Renewals["problems"]> = [];
  let closed = false;
  let line: Promise<void> = Promise.resolve();
  const look = () => {
    line = line.then(lookNow).catch((error: unknown) => {
      log.error({ event: "acme-failed", reason: String(error) }, "declared certificates could not be read");
    });
    return line;
  };

  async function lookNow(): Promise<void> {
    const failed: { file: string; line: number; reason: string }[] = [];
    for (const name of await declaredNames(directories.config)) {
      for (const before of await acmeStates(directories, name)) {
        if (closed) return;
        const near = before.issued && before.dueAt - now() < TLSA_AHEAD_MS;
        const next: KeySwitch = near ? await nextKey(before) : { may: true };
        const status = before.dueAt <= now() ? await order(before, next) : before.status;
        if (status.lastError !== undefined)
          failed.push({ file: `stack/certificates/${name}`, line: 1, reason: status.lastError });
      }
    }
    problems = failed;
  }

  async function nextKey({ names, keyType }: AcmeState): Promise<KeySwitch> {
    const folder = keyFolder(directories.state, names[0]!, keyType);
    const { next } = await announcedKeys(folder, keyType);
    return mayUseNextKey(resolver, { names, folder, spki: spkiSha256(next) }, now());
  }

  async function order(before: AcmeState, next: KeySwitch): Promise<RenewalStatus> {
    const { names, issuer, keyType, status } = before;
    const started = now();
    try {
      const fingerprint = await orderInto({ state: directories.state, resolver }, before, next);
      const { declaration, certificate } = status;
      const good = { declaration, certificate, fingerprint, issuedAt: now(), failures: 0 };
      await writeRenewalStatus(directories.state, before, good);
      const keptKey = before.issued && !next.may ? { keptKey: next.reason } : {};
      log.info(
        {
          event: "acme-issued",
          names,
          keyType,
          directory: issuer.directory,
          ms: now() - started,
          ...keptKey,
        },
        "certificate issued",
      );
      await onIssued();
      return good;
    } catch (error) {
      const { code, message, retryAfterMs } = acmeFailure(error);
      const failures = status.failures + 1;
      const { retryAfterMs: _last, ...kept } = status;
      const bad = {
        ...kept,
        failures,
        lastFailureAt: now(),
        lastError: `${code}: ${message}`,
        ...(retryAfterMs !== undefined && { retryAfterMs }),
      };
      await writeRenewalStatus(directories.state, before, bad);
      log.warn(
        {
          event: "acme-failed",
          names,
          keyType,
          directory: issuer.directory,
          code,
          failures,
          reason: message,
        },
        "no certificate from the authority; what is in use stays",
      );
      return bad;
    }
  }

  const timer = setInterval(() => void look(), options.everyMs ?? 60_000).unref();
  void look();
  return {
    look,
    problems: () => problems,
    close() {
      closed = true;
      clearInterval(timer);
    },
  };
}

/** The certificates of the declaration of this name, one for each kind of key; none where no authority by ACME is declared. */
export async function acmeStates(
  { config, state }: Directories,
  firstName: string,
): Promise<readonly AcmeState[]> {
  const object = await readStackObject(config, "certificates", firstName);
  if (object?.issuer.type !== "acme") return [];
  const { names, issuer } = object;
  return Promise.all(issuer.keyTypes.map((keyType) => acmeState(state, { names, issuer, keyType })));
}

async function acmeState(state: string, ordered: Ordered): Promise<AcmeState> {
  const { names, keyType } = ordered;
  const firstName = names[0]!;
  const [status, pair] = await Promise.all([
    readRenewalStatus(state, ordered),
    readCertificateFolder(keyFolder(state, firstName, keyType)).catch(() => undefined),
  ]);
  const issued =
    pair !== undefined && sameNames(pair.leaf, names) && leafFingerprint(pair.leaf) === status.fingerprint;
  const current = issued
    ? { notBefore: Date.parse(pair.leaf.validFrom), notAfter: Date.parse(pair.leaf.validTo) }
    : undefined;
  const { failures, lastFailureAt, retryAfterMs, askedAt } = status;
  const wanted = askedAt === undefined ? current : undefined;
  const due = dueAt({ current: wanted, failures, lastFailureAt, retryAfterMs, jitter: jitterOf(firstName) });
  return { ...ordered, status, issued, dueAt: due };
}

/**
 * Orders with the key that was announced: the one in use for a first certificate, the next one for a renewal where the DNS
 * allows it (RFC 7671 §8.1). Gives the fingerprint of what is in the folder then.
 */
async function orderInto(
  surroundings: OrderSurroundings,
  { names, issuer, keyType, issued }: AcmeState,
  nextKey: KeySwitch,
): Promise<string> {
  const folder = keyFolder(surroundings.state, names[0]!, keyType);
  const { current, next } = await announcedKeys(folder, keyType);
  const switches = issued && nextKey.may;
  const privateKey = switches ? next : current;
  const nextPrivateKey = switches ? await makeKeyOf(keyType) : next;
  const chain = await orderCertificate(surroundings, { names, issuer, privateKeyPem: privateKey });
  await writeCertificateFolder(folder, { chain, privateKey, nextPrivateKey });
  const written = await readCertificateFolder(folder);
  return leafFingerprint(written!.leaf);
}

async function declaredNames(config: string): Promise<string[]> {
  const files = await readdir(join(config, "stack", "certificates")).catch((error: NodeJS.ErrnoException) => {
    if (error.code === "ENOENT") return [];
    throw error;
  });
  return files
    .filter((file) => /^[^.].*\.json$/.test(file))
    .map((file) => decodeURIComponent(file.slice(0, -5)));
}

function jitterOf(name: string): number {
  return createHash("sha256").update(name).digest().readUInt32BE(0) / 2 ** 32;
}
