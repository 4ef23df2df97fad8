/** App passwords (`config/dms/app-passwords.ts`) as a login looks for them, and how a new one is made. */
import { randomBytes } from "node:crypto";
import type { AppPassword, Service } from "../config/dms/app-passwords.ts";
import type { Snapshot } from "../config/snapshot.ts";

/** App passwords as the authenticator asks for them. */
export interface AppPasswords {
  /** Those of an account, for a service, that a password with this beginning can be. */
  candidates(account: string, service: Service, password: string): readonly AppPassword[];
}

/** Those of the snapshot in force, looked up by account. */
export function declaredAppPasswords(snapshot: () => Snapshot): AppPasswords {
  const indexes = new WeakMap<readonly AppPassword[], ReadonlyMap<string, AppPassword[]>>();
  const indexOf = (entries: readonly AppPassword[]) => {
    const found = indexes.get(entries) ?? Map.groupBy(entries, ({ account }) => account);
    indexes.set(entries, found);
    return found;
  };
  return {
    candidates: (account, service, password) =>
      (indexOf(snapshot().appPasswords ?? NONE).get(account) ?? []).filter(
        ({ id, services }) => services.includes(service) && password.startsWith(`${id}-`),
      ),
  };
}
const NONE: readonly AppPassword[] = [];

/** Letters and digits that are not mistaken for each other. */
const ALPHABET = "abcdefghjkmnpqrstuvwxyz23456789";

/** A new one: `k7d2-xxxxx-xxxxx-xxxxx-xxxxx`, about 99 bits behind its id. */
export function newAppPassword(): { readonly id: string; readonly password: string } {
  const group = (length: number) => {
    let text = "";
    while (text.length < length) {
      const [byte] = randomBytes(1);
      // Bytes above the last whole multiple would favour some letters.
      if (byte! < 256 - (256 % ALPHABET.length)) text += ALPHABET[byte! % ALPHABET.length];
    }
    return text;
  };
  const id = group(4);
  return { id, password: [id, ...Array.from({ length: 4 }, () => group(5))].join("-") };
}
