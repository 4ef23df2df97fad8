/** Login attempts and their results as JSON: the bytes of a SCRAM proof and its answer travel as base64. */
import type { LoginAttempt, LoginResult } from "../auth/authenticator.ts";

export type WiredAttempt = Omit<LoginAttempt, "scram"> & {
  readonly scram?: { readonly authMessage: string; readonly proof: string };
};
export type WiredResult =
  | { readonly ok: true; readonly account: string; readonly serverSignature?: string }
  | Extract<LoginResult, { ok: false }>;

export function wiredAttempt(attempt: LoginAttempt): WiredAttempt {
  const { scram, ...rest } = attempt;
  if (scram === undefined) return rest;
  return { ...rest, scram: { ...scram, proof: scram.proof.toString("base64") } };
}
export function attemptOf(wired: WiredAttempt): LoginAttempt {
  const { scram, ...rest } = wired;
  if (scram === undefined) return rest as LoginAttempt;
  return { ...rest, scram: { ...scram, proof: Buffer.from(scram.proof, "base64") } } as LoginAttempt;
}
export function wiredResult(result: LoginResult): WiredResult {
  if (!result.ok || result.serverSignature === undefined) return result as WiredResult;
  return { ...result, serverSignature: result.serverSignature.toString("base64") };
}
export function resultOf(wired: WiredResult): LoginResult {
  if (!wired.ok) return wired;
  const { serverSignature, ...rest } = wired;
  if (serverSignature === undefined) return rest;
  return { ...rest, serverSignature: Buffer.from(serverSignature, "base64") };
}
