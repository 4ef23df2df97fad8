/** `setup email list`: each account with what it uses, its limit and the aliases that lead to it. */
import { type Dirent, readdirSync, statSync } from "node:fs";
import { join } from "node:path";
import { openConfiguration } from "../../config/configuration.ts";
import { silentLog } from "../../net/log.ts";
import type { SetupSession } from "./session.ts";

export async function listAccounts(session: SetupSession): Promise<void> {
  const { directories, env } = session;
  const configuration = await openConfiguration(directories, { log: silentLog, env, watch: false });
  const snapshot = configuration.current();
  await configuration.close();
  const aliases = new Map<string, string[]>();
  for (const { address, targets } of snapshot.aliases())
    for (const target of targets) {
      const key = target.toLowerCase();
      aliases.set(key, [...(aliases.get(key) ?? []), address]);
    }
  for (const { address, domain, quotaBytes, enabled } of snapshot.accounts()) {
    if (!enabled) continue;
    const local = address.slice(0, address.lastIndexOf("@"));
    const quota =
      env.ENABLE_QUOTAS === "0"
        ? ""
        : ` ${quotaColumn(usedBytes(join(directories.mail, domain, local)), quotaBytes)}`;
    const names = aliases.get(address);
    const leading = names === undefined ? "" : `\n    [ aliases -> ${names.join(", ")} ]`;
    session.out(`* ${address}${quota}${leading}\n`);
  }
}

function quotaColumn(used: number, limit: number): string {
  const percent = limit === 0 ? 0 : Math.floor((used * 100) / limit);
  return `( ${iecSize(used)} / ${limit === 0 ? "~" : iecSize(limit)} ) [${percent}%]`;
}

/** As numfmt --to=iec writes it: one decimal below ten, rounded up. */
export function iecSize(bytes: number): string {
  const units = ["", "K", "M", "G", "T", "P"];
  let value = bytes;
  let unit = 0;
  while (value >= 1024 && unit < units.length - 1) {
    value /= 1024;
    unit++;
  }
  const rounded = unit > 0 && value < 10 ? (Math.ceil(value * 10) / 10).toFixed(1) : String(Math.ceil(value));
  return `${rounded}${units[unit]}`;
}

/** Bytes of all messages of a Maildir: what a name says in `,S=`, else the file's size. */
function usedBytes(maildir: string): number {
  let entries: Dirent[];
  try {
    entries = readdirSync(maildir, { withFileTypes: true });
  } catch {
    return 0;
  }
  let bytes = 0;
  for (const entry of entries) {
    const path = join(maildir, entry.name);
    if (entry.name === "cur" || entry.name === "new") bytes += messageBytes(path);
    else if (entry.isDirectory() && entry.name.startsWith(".")) bytes += usedBytes(path);
  }
  return bytes;
}

function messageBytes(folder: string): number {
  return readdirSync(folder).reduce((sum, name) => {
    const stated = /,S=(\d+)/.exec(name)?.[1];
    return (
      sum +
      (stated === undefined
        ? (statSync(join(folder, name), { throwIfNoEntry: false })?.size ?? 0)
        : Number(stated))
    );
  }, 0);
}
