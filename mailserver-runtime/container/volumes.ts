/**
 * The container's volumes before anything uses them: they are there, and what holds mail, state and logs is the mail user's.
 *
 * The configuration is the administrator's: nothing in it changes its owner. In the state volume what other daemons of a
 * docker-mailserver left (`lib-*`, `spool-*`) stays theirs. A tree is gone through only when a look at its first levels, or
 * at its top, shows another owner, as in docker-mailserver: with a million messages a start must not read them all.
 */
import { constants, type Dirent } from "node:fs";
import { access, lchown, mkdir, readdir, stat } from "node:fs/promises";
import { join } from "node:path";
import type { Directories } from "../settings/directories.ts";
import type { User } from "./privileges.ts";

/** A volume that cannot be used; the message names it and the way out. */
export class VolumeProblem extends Error {
  override name = "VolumeProblem";
}

/** How deep a tree is looked at before it is believed to be the mail user's: domain, mailbox, Maildir. */
const LOOK_DEPTH = 3;
const otherDaemons = /^(?:lib-|spool-)/;

/** @param user whom mail, state and logs shall belong to; undefined: nothing is given away, and everything must be writable */
export async function prepareVolumes(directories: Directories, user: User | undefined): Promise<void> {
  const { config, mail, state, log, run } = directories;
  for (const directory of [config, mail, state, log, run]) {
    await made(directory);
    if (user === undefined) await writable(directory);
  }
  if (user === undefined) return;
  await give(mail, user, () => true);
  await give(state, user, (name) => !otherDaemons.test(name));
  await give(log, user, () => true);
  await give(run, user, () => true);
}

async function made(directory: string): Promise<void> {
  try {
    await mkdir(directory, { recursive: true });
  } catch (error) {
    throw new VolumeProblem(
      `${directory} is not there and cannot be made (${codeOf(error)}): mount a volume there` +
        (directory.startsWith("/run/") ? ", with a read-only root '--tmpfs /run'" : ""),
    );
  }
}

async function writable(directory: string): Promise<void> {
  try {
    await access(directory, constants.R_OK | constants.W_OK | constants.X_OK);
  } catch (error) {
    throw new VolumeProblem(
      `${directory} cannot be written by user ${process.getuid!()} (${codeOf(error)}): give it to that user, or start the container as root and without --user`,
    );
  }
}

/** Makes a tree the user's where it is not; `takes` says which entries of its first level belong to it. */
async function give(directory: string, user: User, takes: (name: string) => boolean): Promise<void> {
  const top = await stat(directory);
  const isOurs = ({ uid, gid }: User) => uid === user.uid && gid === user.gid;
  const first = (await readdir(directory, { withFileTypes: true })).filter(({ name }) => takes(name));
  const strange = !isOurs(top) || (await hasOther(directory, first, LOOK_DEPTH, isOurs));
  if (!strange) return;
  try {
    await chownBelow(directory, first, user);
    await lchown(directory, user.uid, user.gid);
  } catch (error) {
    throw new VolumeProblem(
      `${directory} belongs to user ${top.uid} and cannot be given to ${user.uid} (${codeOf(error)}): do that on the host with 'chown -R ${user.uid}:${user.gid}', or let the container have the capability CHOWN`,
    );
  }
}

async function hasOther(
  directory: string,
  entries: readonly Dirent[],
  depth: number,
  isOurs: (of: User) => boolean,
): Promise<boolean> {
  for (const entry of entries) {
    const path = join(directory, entry.name);
    const found = await stat(path).catch(() => undefined);
    if (found !== undefined && !isOurs(found)) return true;
    if (!entry.isDirectory() || depth === 1) continue;
    if (await hasOther(path, await readdir(path, { withFileTypes: true }), depth - 1, isOurs)) return true;
  }
  return false;
}

async function chownBelow(directory: string, entries: readonly Dirent[], user: User): Promise<void> {
  for (const entry of entries) {
    const path = join(directory, entry.name);
    await lchown(path, user.uid, user.gid);
    if (entry.isDirectory()) await chownBelow(path, await readdir(path, { withFileTypes: true }), user);
  }
}

const codeOf = (error: unknown): string =>
  (error as NodeJS.ErrnoException).code ?? (error instanceof Error ? error.message : String(error));
