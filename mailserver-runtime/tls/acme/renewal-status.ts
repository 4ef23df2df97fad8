/** What is known of a certificate's orders: `state/acme/status/<first name>.json`. A lost file costs one order. */
import { createHash } from "node:crypto";
import { join } from "node:path";
import { z } from "zod";
import { makeDirectory, readIfPresent, writeDurably } from "../../config/durable-file.ts";
import { stackFileName } from "../../config/stack/objects.ts";
import type { AcmeIssuer } from "../../settings/certificate-issuer.ts";

const schema = z.object({
  /** What the figures are about: names, authority and way of proof. */
  declaration: z.string(),
  /** SHA-256 of the certificate that the authority made, hex. */
  fingerprint: z.string().optional(),
  /** Milliseconds since the epoch, as `lastFailureAt`. */
  issuedAt: z.number().optional(),
  failures: z.int().min(0),
  lastFailureAt: z.number().optional(),
  lastError: z.string().optional(),
  retryAfterMs: z.number().optional(),
});
export type RenewalStatus = z.output<typeof schema>;

/** Another declaration is ordered at once, whatever became of the last. */
export function declarationOf(names: readonly string[], issuer: AcmeIssuer): string {
  return createHash("sha256")
    .update(JSON.stringify([names, issuer]))
    .digest("hex");
}

const fileOf = (state: string, firstName: string) => join(state, "acme", "status", stackFileName(firstName));

/** Of this declaration; a fresh one where nothing is known. */
export async function readRenewalStatus(
  state: string,
  names: readonly string[],
  issuer: AcmeIssuer,
): Promise<RenewalStatus> {
  const declaration = declarationOf(names, issuer);
  const fresh = { declaration, failures: 0 };
  try {
    const text = await readIfPresent(fileOf(state, names[0]!));
    const status = schema.parse(JSON.parse(text ?? "null"));
    return status.declaration === declaration ? status : fresh;
  } catch {
    return fresh;
  }
}

export async function writeRenewalStatus(
  state: string,
  firstName: string,
  status: RenewalStatus,
): Promise<void> {
  await makeDirectory(join(state, "acme", "status"), 0o700);
  await writeDurably(fileOf(state, firstName), `${JSON.stringify(status, undefined, 2)}\n`, 0o600);
}
