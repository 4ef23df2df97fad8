/**
 * The keys of a certificate before it exists: the one its first certificate will be for, and the one that follows. Both are on
 * disk before anybody is told of them, so that what the DNS publishes (TLSA 3 1 1) is true from the first day on.
 */
import { createPrivateKey } from "node:crypto";
import { join } from "node:path";
import { readIfPresent, writeDurably } from "../config/durable-file.ts";
import type { KeyType } from "../settings/certificate-issuer.ts";
import { type CertificatePair, readCertificateFolder } from "./certificate-files.ts";
import { makeKeyOf } from "./key-types.ts";

export interface AnnouncedKeys {
  /** Of the certificate in the folder, or of the first one to come. PEM. */
  readonly current: string;
  readonly next: string;
  /** What serves now; undefined where nothing does. */
  readonly pair: CertificatePair | undefined;
}

/** The keys of a certificate's folder, made where they are missing. */
export async function announcedKeys(folder: string, type: KeyType): Promise<AnnouncedKeys> {
  const pair = await readCertificateFolder(folder).catch(() => undefined);
  const kept = pair?.privateKey ?? (await usableKey(folder, "privkey.pem", type));
  const current = kept ?? (await made(folder, "privkey.pem", type));
  const following = pair === undefined ? undefined : pair.nextPrivateKey;
  const next =
    following ??
    (pair === undefined ? await usableKey(folder, "next-privkey.pem", type) : undefined) ??
    (await made(folder, "next-privkey.pem", type));
  return { current, next, pair };
}

async function usableKey(folder: string, name: string, type: KeyType): Promise<string | undefined> {
  const text = await readIfPresent(join(folder, name));
  try {
    const kind = text === undefined ? undefined : createPrivateKey(text).asymmetricKeyType;
    return kind === (type === "rsa" ? "rsa" : "ec") ? text : undefined;
  } catch {
    return undefined;
  }
}

async function made(folder: string, name: string, type: KeyType): Promise<string> {
  const key = await makeKeyOf(type);
  await writeDurably(join(folder, name), key, 0o600);
  return key;
}
