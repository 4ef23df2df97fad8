/**
 * postfix-accounts.cf: `user@domain|{SCHEME}hash[|extra fields]`, one account a line. The hash is passed on
 * unchanged; the extra fields are Dovecot's, separated by spaces.
 */
import { addressParts } from "../address.ts";
import { type LineParser, lineParser } from "./lines.ts";

export const ACCOUNTS_FILE = "postfix-accounts.cf";

export interface AccountLine {
  readonly line: number;
  /** Lower case, A-label domain. */
  readonly address: string;
  readonly domain: string;
  /** With its `{SCHEME}`; never empty. */
  readonly passwordHash: string;
  /** Dovecot extra fields, `userdb_mail` for instance; a field without `=` has the value "yes". */
  readonly extra: ReadonlyMap<string, string>;
}

export const parseAccounts: LineParser<AccountLine> = lineParser({
  read: ({ line, text: entry }) => {
    const [name = "", hash, ...rest] = entry.split("|");
    if (hash === undefined || hash.trim() === "")
      throw new Error(`an account is written user@domain|{SCHEME}hash; there is no hash in this line`);
    const { local, domain } = addressParts(name.trim());
    return {
      line,
      address: `${local}@${domain}`,
      domain,
      passwordHash: hash.trim(),
      extra: extraFields(rest.join("|")),
    };
  },
  key: (entry) => entry.address,
});

const NO_FIELDS: ReadonlyMap<string, string> = new Map();

function extraFields(text: string): ReadonlyMap<string, string> {
  const fields = text.split(/\s+/).filter((field) => field !== "");
  if (fields.length === 0) return NO_FIELDS;
  return new Map(
    fields.map((field) => {
      const equals = field.indexOf("=");
      return equals < 0 ? [field, "yes"] : [field.slice(0, equals), field.slice(equals + 1)];
    }),
  );
}
