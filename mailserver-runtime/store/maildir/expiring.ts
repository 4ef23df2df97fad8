/** Expiry: which folders of an account have messages that stayed longer than a rule allows (`store/retention.ts`). */

import { statSync } from "node:fs";
import { readdir } from "node:fs/promises";
import { daysFor, type ExpiryRule } from "../retention.ts";
import { arrivalSeconds, pathOf } from "./file-name.ts";
import { clientName } from "./folder-name.ts";
import { readSpecialUse } from "./special-use.ts";

const DAY_MS = 24 * 3600 * 1000;

/**
 * Whether a message came into its folder before `time`: by the second its name begins with, which every Maildir program
 * writes when it puts a file there, or else by the file's last change, as Dovecot takes it. One that vanished did not.
 */
export function cameBefore(directory: string, file: string, time: number): boolean {
  const seconds = arrivalSeconds(file.slice(4));
  // Seconds of a name that is a number of another kind lie before there was mail.
  if (seconds > 300_000_000) return seconds * 1000 < time;
  const found = statSync(pathOf(directory, file), { throwIfNoEntry: false });
  return found !== undefined && found.ctimeMs < time;
}

/** A folder with a rule, and the time before which its messages are too old. */
export interface Expiring {
  /** Name on disk. */
  readonly disk: string;
  readonly before: number;
}

/** The folders (names on disk, "" for INBOX) that a rule speaks of. */
export function expiringFolders(
  account: { readonly address: string; readonly directory: string },
  folders: readonly string[],
  rules: readonly ExpiryRule[],
  usual: Readonly<Record<string, string>>,
): Expiring[] {
  if (rules.length === 0) return [];
  const uses = readSpecialUse(account.directory, usual);
  return folders.flatMap((disk): Expiring[] => {
    // Levels have no "/" of their own.
    const levels = clientName(disk, "/")?.split("/");
    if (levels === undefined) return [];
    const days = daysFor(rules, { account: account.address, levels, use: uses.get(disk.slice(1)) });
    return days === undefined ? [] : [{ disk, before: Date.now() - days * DAY_MS }];
  });
}

/** Whether a look at the folder's names finds one that is too old: so nobody is opened for nothing. */
export async function hasExpired(folder: string, before: number): Promise<boolean> {
  for (const part of ["cur", "new"])
    for (const name of await readdir(`${folder}/${part}`, "latin1").catch(() => []))
      if (!name.startsWith(".") && cameBefore(folder, `${part}/${name}`, before)) return true;
  return false;
}
