/** Mail that lies in an account's directory in a form that is not Maildir++: refused by name, so that nobody takes it for empty. */
import { existsSync, readdirSync } from "node:fs";
import { StoreError } from "../mail-store.ts";

/** Dovecot's dbox formats by what lies at their root. */
const DBOX: Readonly<Record<string, string>> = {
  mailboxes: "sdbox",
  "storage/dovecot.map.index": "mdbox",
};

/** Throws StoreError "unavailable" that names what was found and the way out. */
export function refuseForeignLayout(account: string): void {
  for (const [path, format] of Object.entries(DBOX))
    if (existsSync(`${account}/${path}`) && !existsSync(`${account}/${path}/cur`))
      throw foreign(account, `${path} there is of Dovecot's ${format} format`);
  for (const entry of readdirSync(account, { withFileTypes: true })) {
    if (!entry.isDirectory() || entry.name.startsWith(".")) continue;
    const folder = `${account}/${entry.name}`;
    if (["cur", "new", "tmp"].every((part) => existsSync(`${folder}/${part}`)))
      throw foreign(account, `${entry.name} there is a folder of Dovecot's LAYOUT=fs`);
  }
}

function foreign(account: string, found: string): StoreError {
  return new StoreError(
    "unavailable",
    `${account} is no Maildir++: ${found}. Convert it with Dovecot ("doveadm sync" to maildir:, which keeps UIDs), then start again.`,
  );
}
