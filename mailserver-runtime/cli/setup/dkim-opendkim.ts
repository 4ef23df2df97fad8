/** Keys and tables in OpenDKIM's layout, `opendkim/` in the config directory. */
import { join } from "node:path";
import { appendLine } from "../../config/dms/edit.ts";
import {
  KEY_TABLE_FILE,
  parseKeyTable,
  parseSigningTable,
  SIGNING_TABLE_FILE,
} from "../../config/dms/opendkim.ts";
import { readIfPresent, writeDurably } from "../../config/durable-file.ts";
import type { DkimArguments } from "./dkim.ts";
import { makeDkimPair, zoneRecord } from "./dkim-record.ts";
import type { SetupSession } from "./session.ts";

/** Makes what is missing for each domain; a key that is there is kept. The caller holds the lock. */
export async function makeOpenDkimKeys(
  session: SetupSession,
  domains: readonly string[],
  { selector, keysize }: DkimArguments,
): Promise<void> {
  const { config } = session.directories;
  for (const domain of domains) {
    const folder = `opendkim/keys/${domain}`;
    const keyFile = `${folder}/${selector}.private`;
    if ((await readIfPresent(join(config, keyFile))) === undefined) {
      session.info(`Creating DKIM private key '${join(config, keyFile)}'`);
      const pair = await makeDkimPair("rsa", keysize);
      const record = zoneRecord(selector, domain, "v=DKIM1; h=sha256; k=rsa; ", pair.publicText);
      await writeDurably(join(config, `${folder}/${selector}.txt`), record, 0o644);
      await writeDurably(join(config, keyFile), pair.privateKey, 0o600);
    }
    const name = `${selector}._domainkey.${domain}`;
    const keys = await session.read(KEY_TABLE_FILE, parseKeyTable);
    if (!keys.some((key) => key.name === name))
      await session.edit(KEY_TABLE_FILE, appendLine(`${name} ${domain}:${selector}:/etc/${keyFile}`));
    const signing = await session.read(SIGNING_TABLE_FILE, parseSigningTable);
    if (!signing.some((row) => row.key === name && row.domain === domain))
      await session.edit(SIGNING_TABLE_FILE, appendLine(`*@${domain} ${name}`));
  }
  const trusted = join(config, "opendkim/TrustedHosts");
  if ((await readIfPresent(trusted)) === undefined)
    await writeDurably(trusted, "127.0.0.1\nlocalhost\n", 0o644);
}
