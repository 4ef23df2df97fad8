/** Expunging: files leave the folder, its directory is synced, and only then the messages leave the view: what a
 * client was told is expunged does not come back after a power loss. */
import { compareWithDisk } from "./comparing.ts";
import { errorCode, proveDirectory, storeError, syncDirectory } from "./durable.ts";
import type { Disposal } from "./expunged-mail.ts";
import { pathOf } from "./file-name.ts";
import type { MailboxState } from "./mailbox-state.ts";
import { Pace } from "./pace.ts";

/** Looks for files that another program renames before one is left. */
const ATTEMPTS = 3;

/** Removes these messages (known to the view) to where `disposal` has them. Resolves with what is gone, ascending, and its MODSEQ. */
export async function removeMessages(
  state: MailboxState,
  uids: readonly number[],
  disposal: Disposal,
): Promise<{ readonly uids: readonly number[]; readonly modSeq: number }> {
  const folders = new Set<string>();
  const gone: number[] = [];
  let todo: readonly number[] = uids;
  let failure: Error | undefined;
  try {
    for (let attempt = 0; todo.length > 0 && attempt < ATTEMPTS; attempt++) {
      const moved = await takeAll(state, todo, disposal, { folders, gone });
      if (moved.length === 0) break;
      // Renamed by another program, or removed by it: the comparison finds where they are, or that they are gone.
      await syncFolders(state, folders);
      await compareWithDisk(state);
      todo = moved.filter((uid) => state.files.get(uid) !== undefined);
      gone.push(...moved.filter((uid) => state.files.get(uid) === undefined));
    }
  } catch (error) {
    failure = storeError(error, `Expunging from ${state.name}`);
  }
  if (folders.size > 0) await disposal.settle();
  await syncFolders(state, folders);
  // What was gone already may have been removed by a call whose sync failed.
  for (const part of ["new", "cur"]) await proveDirectory(`${state.directory}/${part}`);
  const shown = gone.filter((uid) => state.files.get(uid) !== undefined);
  if (shown.length > 0) state.forget(shown, await state.nextModSeq(), state.view);
  if (failure !== undefined) throw failure;
  return { uids: gone.sort((a, b) => a - b), modSeq: state.view.highestModSeq };
}
async function syncFolders(state: MailboxState, folders: Iterable<string>): Promise<void> {
  await Promise.all([...folders].map((folder) => syncDirectory(`${state.directory}/${folder}`)));
}

/** Takes away what it finds, notes it in `gone`, and returns those whose file was not where it should be. */
async function takeAll(
  state: MailboxState,
  uids: readonly number[],
  disposal: Disposal,
  { folders, gone }: { readonly folders: Set<string>; readonly gone: number[] },
): Promise<number[]> {
  const moved: number[] = [];
  const pace = new Pace();
  for (const uid of uids) {
    await pace.step();
    const file = state.files.get(uid);
    if (file === undefined) continue;
    try {
      state.expect(file);
      disposal.take(pathOf(state.directory, file), file.slice(4));
      folders.add(file.slice(0, 3));
      gone.push(uid);
    } catch (error) {
      if (errorCode(error) !== "ENOENT") throw error;
      moved.push(uid);
    }
  }
  return moved;
}
