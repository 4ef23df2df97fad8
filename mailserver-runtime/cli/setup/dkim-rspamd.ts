/** A key in rspamd's layout, `rspamd/dkim/` in the config directory, and a first dkim_signing.conf. */
import { join } from "node:path";
import { readIfPresent, writeDurably } from "../../config/durable-file.ts";
import { CommandError } from "../command.ts";
import type { DkimArguments } from "./dkim.ts";
import { makeDkimPair, zoneRecord } from "./dkim-record.ts";
import type { SetupSession } from "./session.ts";

/** The caller holds the lock. @throws {CommandError} when there is a key and no --force */
export async function makeRspamdKey(
  session: SetupSession,
  domain: string,
  given: DkimArguments,
): Promise<void> {
  const { config } = session.directories;
  const { keytype, keysize, selector } = given;
  const name = keytype === "rsa" ? `rsa-${keysize}-${selector}-${domain}` : `ed25519-${selector}-${domain}`;
  const base = join(config, "rspamd/dkim", name);
  const files = [".private.txt", ".public.txt", ".public.dns.txt"].map((end) => base + end);
  const present = await Promise.all(files.map(readIfPresent));
  if (present.some((text) => text !== undefined)) {
    if (!given.force)
      throw new CommandError("Not overwriting existing files (use '--force' to overwrite existing files)");
    session.info("Overwriting existing files as the '--force' option was supplied");
  }
  const pair = await makeDkimPair(keytype, keysize);
  const tags = `v=DKIM1; k=${keytype}; `;
  await writeDurably(files[1]!, zoneRecord(selector, domain, tags, pair.publicText), 0o644);
  await writeDurably(files[2]!, `${tags}p=${pair.publicText}\n`, 0o644);
  await writeDurably(files[0]!, pair.privateKey, 0o600);
  session.info("Successfully created DKIM keys");
  const signing = join(config, "rspamd/override.d/dkim_signing.conf");
  if ((await readIfPresent(signing)) === undefined)
    await writeDurably(signing, signingConfiguration(domain, selector, name), 0o644);
  else session.info(`'${signing}' exists, not supplying a default ('--force' does not overwrite this file)`);
  session.info(
    `Here is the content of the TXT DNS record ${selector}._domainkey.${domain} that you need to create:`,
  );
  session.out(`\n${tags}p=${pair.publicText}\n`);
}

/** rspamd itself reads this where it still signs; mailkeep takes the key by its file's name. */
function signingConfiguration(domain: string, selector: string, name: string): string {
  return `enabled = true;
sign_authenticated = true;
sign_local = false;
try_fallback = false;
use_domain = "header";
use_redis = false;
use_esld = true;
allow_username_mismatch = true;
check_pubkey = true;

domain {
    ${domain} {
        path = "/tmp/docker-mailserver/rspamd/dkim/${name}.private.txt";
        selector = "${selector}";
    }
}
`;
}
