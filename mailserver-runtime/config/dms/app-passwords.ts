/**
 * App passwords: further passwords of an account, one for each device or program, so that one can be taken
 * back without the others, and a program that needs only to send cannot read.
 *
 * They lie in `app-passwords.cf`, one a line, and hashed like all others:
 *
 *     user@domain|id|services|{SCHEME}hash|what it is for
 *
 * `services` are separated by commas (imap, smtp, pop3, sieve), or `*`. A password
 * begins with its id (`k7d2-…`), which is no secret, so that a login costs the check of one hash and not
 * of all.
 */
import { addressParts } from "../address.ts";
import { type LineParser, lineParser } from "./lines.ts";

export const APP_PASSWORDS_FILE = "app-passwords.cf";
export const SERVICES = ["imap", "smtp", "pop3", "sieve"] as const;
export type Service = (typeof SERVICES)[number];

export interface AppPassword {
  readonly line: number;
  readonly account: string;
  readonly id: string;
  readonly services: readonly Service[];
  readonly hash: string;
  readonly label: string;
}
export const parseAppPasswords: LineParser<AppPassword> = lineParser({
  read: ({ line, text: entry }) => {
    const [name = "", id = "", services = "", hash = "", ...label] = entry.split("|");
    const { local, domain } = addressParts(name.trim());
    if (!/^[a-z0-9]{4,16}$/.test(id)) throw new Error("an app password's id is 4 to 16 letters and digits");
    if (!hash.startsWith("{"))
      throw new Error("an app password is written user@domain|id|services|{SCHEME}hash|label");
    return {
      line,
      account: `${local}@${domain}`,
      id,
      services: parseServices(services),
      hash,
      label: label.join("|"),
    };
  },
  key: (entry) => `${entry.account}|${entry.id}`,
});

/** `imap,smtp` or `*`. Throws with a sentence that names what is none. */
export function parseServices(text: string): readonly Service[] {
  if (text.trim() === "*") return SERVICES;
  return text.split(",").map((name) => {
    const found = SERVICES.find((service) => service === name.trim());
    if (!found)
      throw new Error(`${JSON.stringify(name)} is no service; there are ${SERVICES.join(", ")} and *`);
    return found;
  });
}

export function formatAppPassword(entry: Omit<AppPassword, "line">): string {
  const services = entry.services.length === SERVICES.length ? "*" : entry.services.join(",");
  return [entry.account, entry.id, services, entry.hash, entry.label.replace(/[\r\n|]/g, " ")].join("|");
}
