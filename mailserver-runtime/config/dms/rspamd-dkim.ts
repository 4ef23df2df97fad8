/**
 * rspamd's keys as DMS names them: `rspamd/dkim/rsa-<bits>-<selector>-<domain>.private.txt` and
 * `rspamd/dkim/ed25519-<selector>-<domain>.private.txt`.
 *
 * Selector and domain may both have hyphens, so a name alone can be read in several ways: the reading whose
 * domain is hosted counts, and among those the longest domain.
 */
import { InvalidAddress, mailDomain } from "../address.ts";

export const RSPAMD_DKIM_FOLDER = "rspamd/dkim";

export interface RspamdKey {
  readonly domain: string;
  readonly selector: string;
  readonly algorithm: "rsa-sha256" | "ed25519-sha256";
}

/** What a file name says, or undefined when it is not a private key of a hosted domain. */
export function rspamdKey(file: string, hosted: (domain: string) => boolean): RspamdKey | undefined {
  const parts = /^(rsa-\d{3,5}|ed25519)-(.+)\.private\.txt$/.exec(file);
  if (parts === null) return undefined;
  const words = parts[2]!.split("-");
  for (let count = 1; count < words.length; count++) {
    const domain = canonical(words.slice(count).join("-"));
    if (domain !== undefined && hosted(domain))
      return {
        domain,
        selector: words.slice(0, count).join("-").toLowerCase(),
        algorithm: parts[1] === "ed25519" ? "ed25519-sha256" : "rsa-sha256",
      };
  }
  return undefined;
}

function canonical(text: string): string | undefined {
  try {
    return mailDomain(text);
  } catch (error) {
    if (error instanceof InvalidAddress) return undefined;
    throw error;
  }
}
