/** What is known of a certificate's orders: `state/acme/status/<first name>.json`. A lost file costs one order. */
import { createHash } from "node:crypto";
import { join } from "node:path";
import { z } from "zod";
import { makeDirectory, readIfPresent, writeDurably } from "../../config/durable-file.ts";
import { stackFileName } from "../../config/stack/objects.ts";
import type { AcmeIssuer, KeyType } from "../../settings/certificate-issuer.ts";

const schema = z.object({
  /** What the figures are about: names, authority and way of proof. */
  declaration: z.string(),
  /** What the certificate itself depends on: names and authority, not the way of proof. */
  certificate: z.string(),
  /** SHA-256 of the certificate that the authority made, hex. */
  fingerprint: z.string().optional(),
  /** Milliseconds since the epoch, as `lastFailureAt`. */
  issuedAt: z.number().optional(),
  /** Somebody wants another one now. */
  askedAt: z.number().optional(),
  failures: z.int().min(0),
  lastFailureAt: z.number().optional(),
  lastError: z.string().optional(),
  retryAfterMs: z.number().optional(),
});
export type RenewalStatus = z.output<typeof schema>;

/** One certificate of a declaration: that of one kind of key. */
export interface Ordered {
  readonly names: readonly string[];
  readonly issuer: AcmeIssuer;
  readonly keyType: KeyType;
}

const digest = (value: unknown) => createHash("sha256").update(JSON.stringify(value)).digest("hex");

function fileOf(state: string, { names, keyType }: Ordered): string {
  const name = keyType === "rsa" ? `${names[0]} rsa` : names[0]!;
  return join(state, "acme", "status", stackFileName(name));
}

/**
 * Of this declaration; a fresh one where nothing is known. Another way of proof forgets what failed, so that it is tried at
 * once, and keeps the certificate.
 */
export async function readRenewalStatus(state: string, ordered: Ordered): Promise<RenewalStatus> {
  const { names, issuer } = ordered;
  const declaration = digest([names, issuer]);
  const certificate = digest([names, issuer.directory]);
  const fresh = { declaration, certificate, failures: 0 };
  try {
    const text = await readIfPresent(fileOf(state, ordered));
    const status = schema.parse(JSON.parse(text ?? "null"));
    if (status.certificate !== certificate) return fresh;
    if (status.declaration === declaration) return status;
    const { fingerprint, issuedAt } = status;
    return { ...fresh, ...(fingerprint !== undefined && { fingerprint, issuedAt }) };
  } catch {
    return fresh;
  }
}

export async function writeRenewalStatus(
  state: string,
  ordered: Ordered,
  status: RenewalStatus,
): Promise<void> {
  await makeDirectory(join(state, "acme", "status"), 0o700);
  await writeDurably(fileOf(state, ordered), `${JSON.stringify(status, undefined, 2)}\n`, 0o600);
}
