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
import type { Log } from "../../net/log.ts";
import type { AcmeIssuer } from "../../settings/certificate-issuer.ts";
import type { Directories } from "../../settings/directories.ts";
import { certificateFolder, readCertificateFolder, writeCertificateFolder } from "../certificate-files.ts";
import { sameNames } from "../certificate-names.ts";
import { leafFingerprint } from "../leaf-fingerprint.ts";
import { makePrivateKey } from "../x509.ts";
import { acmeFailure } from "./failure.ts";
import { orderCertificate } from "./order.ts";
import { type RenewalStatus, readRenewalStatus, writeRenewalStatus } from "./renewal-status.ts";
import { dueAt } from "./schedule.ts";

export interface RenewalsOptions {
  readonly directories: Directories;
  readonly log: Log;
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

/** A declared certificate as it stands. */
export interface AcmeState {
  readonly names: readonly string[];
  readonly issuer: AcmeIssuer;
  readonly status: RenewalStatus;
  /** The authority's certificate for these names is in place. */
  readonly issued: boolean;
  /** When it is ordered next; milliseconds since the epoch. */
  readonly dueAt: number;
}

export function startRenewals(options: RenewalsOptions): Renewals {
  const { directories, log, onIssued } = options;
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
      if (closed) return;
      const before = await acmeState(directories, name);
      if (before === undefined) continue;
      const status = before.dueAt <= now() ? await order(before) : before.status;
      if (status.lastError !== undefined)
        failed.push({ file: `stack/certificates/${name}`, line: 1, reason: status.lastError });
    }
    problems = failed;
  }

  async function order(before: AcmeState): Promise<RenewalStatus> {
    const { names, issuer, status } = before;
    const firstName = names[0]!;
    const started = now();
    try {
      const fingerprint = await orderInto(directories.state, before);
      const next = { declaration: status.declaration, fingerprint, issuedAt: now(), failures: 0 };
      await writeRenewalStatus(directories.state, firstName, next);
      log.info(
        { event: "acme-issued", names, directory: issuer.directory, ms: now() - started },
        "certificate issued",
      );
      await onIssued();
      return next;
    } catch (error) {
      const { code, message, retryAfterMs } = acmeFailure(error);
      const failures = status.failures + 1;
      const { retryAfterMs: _last, ...kept } = status;
      const next = {
        ...kept,
        failures,
        lastFailureAt: now(),
        lastError: `${code}: ${message}`,
        ...(retryAfterMs !== undefined && { retryAfterMs }),
      };
      await writeRenewalStatus(directories.state, firstName, next);
      log.warn(
        { event: "acme-failed", names, directory: issuer.directory, code, failures, reason: message },
        "no certificate from the authority; what is in use stays",
      );
      return next;
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

/** The state of the declaration of this name; undefined where no authority by ACME is declared. */
export async function acmeState(
  { config, state }: Directories,
  firstName: string,
): Promise<AcmeState | undefined> {
  const object = await readStackObject(config, "certificates", firstName);
  if (object?.issuer.type !== "acme") return undefined;
  const { names, issuer } = object;
  const [status, pair] = await Promise.all([
    readRenewalStatus(state, names, issuer),
    readCertificateFolder(certificateFolder(state, firstName)).catch(() => undefined),
  ]);
  const issued =
    pair !== undefined && sameNames(pair.leaf, names) && leafFingerprint(pair.leaf) === status.fingerprint;
  const current = issued
    ? { notBefore: Date.parse(pair.leaf.validFrom), notAfter: Date.parse(pair.leaf.validTo) }
    : undefined;
  const { failures, lastFailureAt, retryAfterMs } = status;
  const due = dueAt({ current, failures, lastFailureAt, retryAfterMs, jitter: jitterOf(firstName) });
  return { names, issuer, status, issued, dueAt: due };
}

/**
 * Orders with the key that was announced: the one in use for a first certificate, the next one for a renewal
 * (RFC 7671 §8.1). Gives the fingerprint of what is in the folder then.
 */
async function orderInto(state: string, { names, issuer, issued }: AcmeState): Promise<string> {
  const folder = certificateFolder(state, names[0]!);
  const pair = await readCertificateFolder(folder).catch(() => undefined);
  const next = pair?.nextPrivateKey ?? (await makePrivateKey());
  const renews = issued || pair === undefined;
  const privateKey = renews ? next : pair.privateKey;
  const nextPrivateKey = renews ? await makePrivateKey() : next;
  const chain = await orderCertificate(state, { names, issuer, privateKeyPem: privateKey });
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
