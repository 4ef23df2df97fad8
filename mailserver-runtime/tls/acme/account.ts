/** The account at an authority: `state/acme/accounts/<digest of its directory>/` with `key.pem` and `account.json`. */
import { createHash } from "node:crypto";
import { join } from "node:path";
import { makeDirectory, readIfPresent, writeDurably } from "../../config/durable-file.ts";
import { makePrivateKey } from "../x509.ts";

export interface AcmeAccount {
  readonly privateKeyPem: string;
  /** Known once the authority has answered. */
  readonly url: string | undefined;
  /** Remembers the URL, so that the authority is not asked again. */
  keep(url: string): Promise<void>;
  /** Forgets it: the authority does not know the account any more. The key stays. */
  forget(): Promise<void>;
}

/** The key is made before it is first used, so a new account is never without one. */
export async function openAccount(state: string, directory: string): Promise<AcmeAccount> {
  const folder = join(
    state,
    "acme",
    "accounts",
    createHash("sha256").update(directory).digest("hex").slice(0, 16),
  );
  await makeDirectory(folder, 0o700);
  const [keyFile, file] = [join(folder, "key.pem"), join(folder, "account.json")];
  let privateKeyPem = await readIfPresent(keyFile);
  if (privateKeyPem === undefined) {
    privateKeyPem = await makePrivateKey();
    await writeDurably(keyFile, privateKeyPem, 0o600);
  }
  const write = (url?: string) =>
    writeDurably(file, `${JSON.stringify({ directory, ...(url && { url }) }, undefined, 2)}\n`, 0o600);
  return { privateKeyPem, url: urlOf(await readIfPresent(file)), keep: write, forget: () => write() };
}

function urlOf(text: string | undefined): string | undefined {
  try {
    const { url } = JSON.parse(text ?? "{}") as { readonly url?: unknown };
    return typeof url === "string" ? url : undefined;
  } catch {
    // It can be had again with the key.
    return undefined;
  }
}
