/**
 * What a server that died left half written, in the accounts that nobody opens: an account is swept when it is opened, and
 * most are not for days. One account after the other with pauses, so that nobody who is served notices; by the first process
 * alone. Only what is older than this server and of the server's own making goes, or what every Maildir program takes for
 * abandoned (temporary-files.ts).
 */
import { readdir, rm, stat } from "node:fs/promises";
import { setTimeout as sleep } from "node:timers/promises";
import type { Log } from "../../net/log.ts";
import type { Directories } from "../../settings/directories.ts";
import { sweepFolder } from "./temporary-files.ts";

export interface SweepOptions {
  readonly directories: Pick<Directories, "mail" | "state">;
  readonly log: Log;
  /** Ends it. */
  readonly signal: AbortSignal;
  /** Between two accounts; milliseconds. */
  readonly pauseMs?: number;
}
const PAUSE_MS = 20;

/** Sweeps all accounts; resolves when all are swept or it was ended, and never rejects. */
export async function sweepAccounts(options: SweepOptions): Promise<void> {
  const { directories, log, signal, pauseMs = PAUSE_MS } = options;
  const isOver = () => signal.aborted;
  const pause = () => sleep(pauseMs, undefined, { signal }).catch(() => {});
  for await (const maildir of accountsBelow(directories.mail)) {
    for (const folder of await foldersOf(maildir)) {
      if (isOver()) return;
      await sweepFolder(folder, log).catch((error: unknown) =>
        log.warn({ err: error, folder }, "old temporary files were not looked for"),
      );
    }
    await pause();
    if (isOver()) return;
  }
  for await (const volume of directoriesIn(`${directories.state}/store/index`))
    for await (const index of accountsBelow(volume)) {
      await removeUnfinished(index);
      await pause();
      if (isOver()) return;
    }
}

/** Index files that a process of an earlier server was writing. */
async function removeUnfinished(index: string): Promise<void> {
  for (const name of await names(index)) {
    const path = `${index}/${name}`;
    if (!name.endsWith(".tmp")) continue;
    const changed = (await stat(path).catch(() => undefined))?.ctimeMs ?? Number.POSITIVE_INFINITY;
    if (changed < performance.timeOrigin) await rm(path, { force: true });
  }
}

/** `<domain>/<local part>` below a directory. */
export async function* accountsBelow(directory: string): AsyncGenerator<string> {
  for await (const domain of directoriesIn(directory)) yield* directoriesIn(domain);
}
async function* directoriesIn(directory: string): AsyncGenerator<string> {
  for (const entry of await readdir(directory, { withFileTypes: true }).catch(() => []))
    if (entry.isDirectory() && !entry.name.startsWith(".")) yield `${directory}/${entry.name}`;
}
/** INBOX, and Maildir++ folders beside it. */
export async function foldersOf(maildir: string): Promise<string[]> {
  const found: string[] = [];
  for (const folder of ["", ...(await names(maildir)).filter((name) => /^\.[^.]/.test(name))]) {
    const path = folder === "" ? maildir : `${maildir}/${folder}`;
    if ((await stat(`${path}/tmp`).catch(() => undefined))?.isDirectory()) found.push(path);
  }
  return found;
}
const names = (directory: string): Promise<string[]> => readdir(directory).catch(() => []);
