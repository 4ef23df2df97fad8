/**
 * Compares a folder with what is known of it and takes in the differences: files that came, went, or were
 * renamed for other flags by another program. A file counts as gone only when two complete passes miss it, and
 * nothing moved during the second (scan.ts says why).
 */
import { setTimeout as delay } from "node:timers/promises";
import { Flag, positionOf } from "../mail-store.ts";
import { admitFound, newcomers } from "./arrivals.ts";
import { withFlags } from "./columns.ts";
import type { MailboxState } from "./mailbox-state.ts";
import { type FolderPass, listNew, passOver } from "./scan.ts";

const ATTEMPTS = 5;
/** Longer than the tick of directory times. */
const CALM_MS = 25;

/** True when something is missing that no quiet pass could confirm: look again later. */
export async function compareWithDisk(state: MailboxState): Promise<boolean> {
  let pass = await passOver(state.directory);
  let missing = missingIn(state, pass, state.view.uids.subarray(0, state.view.count));
  let isUnsure = false;
  if (missing.length > 0) {
    state.home.checkVolume();
    for (let attempt = 0; ; attempt++) {
      const earlier = pass;
      pass = await passOver(state.directory);
      // What one pass saw was there, though this one missed it.
      for (const [base, file] of earlier.files) if (!pass.files.has(base)) pass.files.set(base, file);
      missing = missingIn(state, pass, missing);
      if (missing.length === 0 || pass.quiet) break;
      if (attempt === ATTEMPTS) {
        missing = [];
        isUnsure = true;
        break;
      }
      await delay(CALM_MS);
    }
  }
  nameDuplicates(state, pass);
  await takeIn(state, pass.files, missing);
  return isUnsure;
}

/** As compareWithDisk where only `new` changed. False when that does not explain what is there. */
export async function compareNew(state: MailboxState): Promise<boolean> {
  const files = await listNew(state.directory);
  for (const uid of state.files.inNew) if (!files.has(state.baseOf(uid))) return false;
  await takeIn(state, files, []);
  return true;
}

async function takeIn(
  state: MailboxState,
  files: ReadonlyMap<string, string>,
  missing: readonly number[],
): Promise<void> {
  const found: [string, string][] = [];
  const positions: number[] = [];
  const flags: number[] = [];
  for (const [base, file] of files) {
    const uid = state.files.uidOf(base);
    if (uid === undefined) {
      found.push([base, file]);
      continue;
    }
    if (state.files.get(uid) === file) continue;
    state.files.set(uid, file);
    const at = positionOf(state.view, uid);
    const old = state.view.flags[at]!;
    // \Recent once claimed does not come back by a move.
    const now = (state.bitsOf(file) & (old | ~Flag.Recent)) >>> 0;
    if (now === old) continue;
    positions.push(at);
    flags.push(now);
  }
  if (missing.length > 0 || positions.length > 0) {
    const modSeq = await state.nextModSeq();
    const flagged = positions.map((at) => state.view.uids[at]!).sort((a, b) => a - b);
    const view = positions.length > 0 ? withFlags(state.view, positions, flags, modSeq) : state.view;
    state.forget(missing, modSeq, view, flagged);
  }
  const arrivals = await newcomers(state, found);
  await admitFound(state, arrivals);
}

function missingIn(state: MailboxState, pass: FolderPass, uids: Iterable<number>): number[] {
  const missing: number[] = [];
  for (const uid of uids) if (!pass.files.has(state.baseOf(uid))) missing.push(uid);
  return missing;
}

/** A base name is a message's identity: a second file of one is not shown, and named so that a person can decide. */
export function nameDuplicates(state: MailboxState, pass: FolderPass): void {
  if (!pass.quiet) return;
  for (const file of pass.duplicates)
    state.home.log.warn(
      { mailbox: state.name, file },
      "a second file of one base name is not shown; give it another name",
    );
}
