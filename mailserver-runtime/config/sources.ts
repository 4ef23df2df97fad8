/** Every input of the configuration, in one table. */
import type { Directories } from "../settings/directories.ts";
import { mergedSettings } from "../settings/environment.ts";
import { parseAccess, RECEIVE_ACCESS_FILE, SEND_ACCESS_FILE } from "./dms/access.ts";
import { ACCOUNTS_FILE, parseAccounts } from "./dms/accounts.ts";
import { APP_PASSWORDS_FILE, parseAppPasswords } from "./dms/app-passwords.ts";
import { LOCAL_ALIASES_FILE, parseLocalAliases } from "./dms/local-aliases.ts";
import { MASTERS_FILE, parseMasters } from "./dms/masters.ts";
import { KEY_TABLE_FILE, parseKeyTable, parseSigningTable, SIGNING_TABLE_FILE } from "./dms/opendkim.ts";
import { parseQuotas, QUOTAS_FILE } from "./dms/quotas.ts";
import { parseRegexp, REGEXP_FILE } from "./dms/regexp.ts";
import { parseRelayLogins, parseRelaymap, RELAYMAP_FILE, SASL_PASSWORD_FILE } from "./dms/relays.ts";
import { RSPAMD_DKIM_FOLDER } from "./dms/rspamd-dkim.ts";
import { parseRspamdSigning, RSPAMD_SIGNING_FILE } from "./dms/rspamd-signing.ts";
import { parseVirtual, VIRTUAL_FILE } from "./dms/virtual.ts";
import { DOVECOT_FILE, dovecotProblems } from "./postfix/dovecot-conf.ts";
import { MAIN_CF_FILE } from "./postfix/main-cf.ts";
import { MASTER_CF_FILE, masterCfProblems } from "./postfix/master-cf.ts";
import { postfixSource } from "./postfix/source.ts";
import { fileSource, folderSource, lineSource, problemSource, type Source } from "./source.ts";
import { BrokenStackFile, parseStackObject, STACK_SETTINGS } from "./stack/files.ts";
import { type StackKind, stackFileName, stackNames } from "./stack/objects.ts";

/** The sources of a config directory; nothing is read yet. */
export function sourcesOf({ config }: Directories) {
  return {
    accounts: lineSource(config, ACCOUNTS_FILE, parseAccounts),
    quotas: lineSource(config, QUOTAS_FILE, parseQuotas),
    appPasswords: lineSource(config, APP_PASSWORDS_FILE, parseAppPasswords),
    masters: lineSource(config, MASTERS_FILE, parseMasters),
    virtual: lineSource(config, VIRTUAL_FILE, parseVirtual),
    regexp: lineSource(config, REGEXP_FILE, parseRegexp),
    localAliases: lineSource(config, LOCAL_ALIASES_FILE, parseLocalAliases),
    sendAccess: lineSource(config, SEND_ACCESS_FILE, parseAccess),
    receiveAccess: lineSource(config, RECEIVE_ACCESS_FILE, parseAccess),
    relaymap: lineSource(config, RELAYMAP_FILE, parseRelaymap),
    relayLogins: lineSource(config, SASL_PASSWORD_FILE, parseRelayLogins),
    keyTable: lineSource(config, KEY_TABLE_FILE, parseKeyTable),
    signingTable: lineSource(config, SIGNING_TABLE_FILE, parseSigningTable),
    postfixMain: postfixSource(config),
    postfixMaster: problemSource(config, MASTER_CF_FILE, masterCfProblems),
    dovecot: problemSource(config, DOVECOT_FILE, dovecotProblems),
    // Only the names count here; a key is read when it signs.
    rspamdKeys: folderSource(config, RSPAMD_DKIM_FOLDER, ".private.txt", (_text, file) => file),
    rspamdSigning: fileSource(config, RSPAMD_SIGNING_FILE, parseRspamdSigning, []),
    stackDomains: stackSource(config, "domains"),
    stackMailboxes: stackSource(config, "mailboxes"),
    stackAliases: stackSource(config, "aliases"),
    stackRelays: stackSource(config, "relays"),
    stackDkim: stackSource(config, "dkim"),
    stackSettings: fileSource(config, STACK_SETTINGS, stackSettingsOf, undefined),
  };
}
export type Sources = ReturnType<typeof sourcesOf>;

/** What is watched, relative to the config directory: folders by events, files by a look at intervals. */
export const watched = {
  folders: [
    ".",
    "opendkim",
    RSPAMD_DKIM_FOLDER,
    "rspamd/override.d",
    "stack",
    "stack/domains",
    "stack/mailboxes",
    "stack/aliases",
    "stack/relays",
    "stack/dkim",
  ],
  files: [
    ACCOUNTS_FILE,
    APP_PASSWORDS_FILE,
    QUOTAS_FILE,
    MASTERS_FILE,
    VIRTUAL_FILE,
    REGEXP_FILE,
    LOCAL_ALIASES_FILE,
    SEND_ACCESS_FILE,
    RECEIVE_ACCESS_FILE,
    RELAYMAP_FILE,
    SASL_PASSWORD_FILE,
    KEY_TABLE_FILE,
    SIGNING_TABLE_FILE,
    MAIN_CF_FILE,
    MASTER_CF_FILE,
    DOVECOT_FILE,
    STACK_SETTINGS,
  ],
} as const;

function stackSource<K extends StackKind>(config: string, kind: K) {
  return folderSource(config, `stack/${kind}`, ".json", (text, file) => {
    const object = parseStackObject(kind, text, file);
    const name = stackNames[kind](object);
    // A copy under another name would declare one object twice.
    if (!file.endsWith(`/${stackFileName(name)}`))
      throw new BrokenStackFile(`${file} declares "${name}", which belongs into ${stackFileName(name)}`);
    return object;
  }) satisfies Source<unknown>;
}

/** The declared settings as they are; they are checked once the environment is laid under them. */
function stackSettingsOf(text: string): unknown {
  const value = JSON.parse(text) as unknown;
  const settings =
    typeof value === "object" && value !== null && "settings" in value ? value.settings : undefined;
  if (typeof settings !== "object" || settings === null)
    throw new Error('there is no object "settings" in the file');
  return mergedSettings({}, settings);
}
