/**
 * Lets time pass for all accounts: what expired is expunged, and what was expunged longer ago than its window goes for good.
 *
 * By the first process alone, one account after the other with pauses. A look at file names finds the accounts in which
 * something expired, and only their owners are asked to open them. An account that no stack declares any more is left alone.
 */
import { setTimeout as sleep } from "node:timers/promises";
import type { Log } from "../../net/log.ts";
import type { Directories } from "../../settings/directories.ts";
import type { ExpiryRule, MailboxCount, UndeleteWindow } from "../retention.ts";
import { expiringFolders, hasExpired } from "./expiring.ts";
import { removeExpired } from "./expunged-mail.ts";
import { SPECIAL_FOLDERS } from "./special-use.ts";
import { accountsBelow, foldersOf } from "./sweep-accounts.ts";

export interface RetentionOptions {
  readonly directories: Pick<Directories, "mail">;
  readonly log: Log;
  /** Ends it. */
  readonly signal: AbortSignal;
  readonly settings: () => { readonly expiry: readonly ExpiryRule[]; readonly undelete: UndeleteWindow };
  /** Whether somebody uses the account. */
  readonly isActive: (address: string) => boolean;
  /** Expunges what expired, where the account is owned. */
  readonly expire: (address: string) => Promise<readonly MailboxCount[]>;
}

const PAUSE_MS = 20;
const SWEEP_EVERY_MS = 6 * 3600 * 1000;

/** Sweeps now and then until it is ended; never rejects. */
export async function keepRetention(options: RetentionOptions): Promise<void> {
  const { signal } = options;
  while (!signal.aborted) {
    await sweepRetention(options, PAUSE_MS);
    await sleep(SWEEP_EVERY_MS, undefined, { signal, ref: false }).catch(() => undefined);
  }
}

/** All accounts once; `pauseMs` between two. */
export async function sweepRetention(options: RetentionOptions, pauseMs: number): Promise<void> {
  const { directories, log, signal, isActive } = options;
  for await (const directory of accountsBelow(directories.mail)) {
    if (signal.aborted) return;
    const [local, domain] = directory.split("/").reverse() as [string, string];
    const address = `${local}@${domain}`;
    try {
      if (isActive(address)) await sweepAccount(address, directory, options);
    } catch (error) {
      log.warn({ err: error, account: address }, "what is too old was not removed; it is tried again");
    }
    await sleep(pauseMs, undefined, { signal }).catch(() => undefined);
  }
}

async function sweepAccount(address: string, directory: string, options: RetentionOptions): Promise<void> {
  const { log, settings, expire } = options;
  const { expiry, undelete } = settings();
  await removeExpired(directory, undelete.days, Date.now());
  if (expiry.length === 0) return;
  const folders = (await foldersOf(directory)).map((path) => path.slice(directory.length + 1));
  for (const { disk, before } of expiringFolders({ address, directory }, folders, expiry, SPECIAL_FOLDERS)) {
    if (!(await hasExpired(disk === "" ? directory : `${directory}/${disk}`, before))) continue;
    for (const { mailbox, messages } of await expire(address))
      log.info(
        { event: "expired", account: address, mailbox, messages },
        "messages that were old enough are expunged",
      );
    return;
  }
}
