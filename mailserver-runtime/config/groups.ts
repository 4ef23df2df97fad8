/** Which groups of the settings an account belongs to, for access control lists (RFC 4314 §2). */
import type { Settings } from "../settings/schema.ts";

type Groups = Settings["mailbox"]["groups"];

/** Made once for each version of the settings. */
const byAccount = new WeakMap<Groups, ReadonlyMap<string, readonly string[]>>();

/** Names of the groups, in the order of the settings. */
export function groupsOf(
  { mailbox: { groups } }: Pick<Settings, "mailbox">,
  account: string,
): readonly string[] {
  let known = byAccount.get(groups);
  if (known === undefined) {
    const found = new Map<string, string[]>();
    for (const [name, members] of Object.entries(groups))
      for (const member of members) found.set(member, [...(found.get(member) ?? []), name]);
    known = found;
    byAccount.set(groups, known);
  }
  return known.get(account) ?? NONE;
}
const NONE: readonly string[] = [];
