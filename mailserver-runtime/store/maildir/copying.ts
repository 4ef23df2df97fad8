/** COPY: each message gets a second name (a hard link) in the target's `tmp`; the target then admits them all. */
import { linkSync, statSync } from "node:fs";
import { positionOf } from "../mail-store.ts";
import { type Arrival, admit, placeFor } from "./arrivals.ts";
import { compareWithDisk } from "./comparing.ts";
import { errorCode, storeError } from "./durable.ts";
import { baseName, crlfSizeOf, newBaseName, pathOf } from "./file-name.ts";
import { bitsOf, namesOf } from "./flag-changes.ts";
import type { MailboxState } from "./mailbox-state.ts";
import type { MessageFacts } from "./message-facts.ts";
import { removeQuietly } from "./message-writer.ts";
import { Pace } from "./pace.ts";
import { openStored } from "./stored-content.ts";

const ATTEMPTS = 3;

/** A message that has its second name and waits to be admitted. */
export interface Linked {
  readonly temporary: string;
  readonly base: string;
  readonly facts: MessageFacts;
}
export interface FlaggedLink extends Linked {
  readonly flags: readonly string[];
}
export interface Copy extends FlaggedLink {
  /** In the mailbox it is copied from. */
  readonly uid: number;
}

/** Gives each message that exists a name in `target`'s tmp. On failure none is left. */
export async function linkCopies(
  state: MailboxState,
  uids: readonly number[],
  target: string,
): Promise<Copy[]> {
  const copies: Copy[] = [];
  try {
    const pace = new Pace();
    for (const uid of uids) {
      await pace.step();
      const copy = await linkCopy(state, uid, target);
      if (copy !== undefined) copies.push(copy);
    }
    return copies;
  } catch (error) {
    for (const { temporary } of copies) removeQuietly(temporary);
    throw storeError(error, `Copying from ${state.name}`);
  }
}

async function linkCopy(state: MailboxState, uid: number, target: string): Promise<Copy | undefined> {
  for (let attempt = 1; ; attempt++) {
    const at = positionOf(state.view, uid);
    if (at < 0) return undefined;
    const file = state.files.get(uid)!;
    const path = pathOf(state.directory, file);
    try {
      const linked = await linkFile(path, baseName(file.slice(4)), state.view.dates[at]!, target);
      return { ...linked, uid, flags: namesOf(state, state.view.flags[at]!) };
    } catch (error) {
      if (errorCode(error) !== "ENOENT" || attempt === ATTEMPTS) throw error;
      await compareWithDisk(state);
    }
  }
}

/** A second name of ours for a message file, in `target`'s tmp; `date` is its INTERNALDATE in milliseconds. */
export async function linkFile(
  path: string | Buffer,
  base: string,
  date: number,
  target: string,
): Promise<Linked> {
  let size = crlfSizeOf(base);
  let crlfSize = size;
  if (size < 0) {
    // The name's claims go into a name of ours, which is believed: so they are looked at first.
    size = statSync(path).size;
    const content = await openStored(path, -1);
    crlfSize = content.size;
    await content.dispose();
  }
  const linked = newBaseName(Date.now(), date, size, crlfSize);
  const temporary = `${target}/tmp/${linked}`;
  linkSync(path, temporary);
  return { temporary, base: linked, facts: { size: crlfSize, date } };
}

/** Admits messages that have their second name into their target. Resolves with the new UIDs, pairwise. */
export async function admitLinks(state: MailboxState, copies: readonly FlaggedLink[]): Promise<number[]> {
  const arrivals: Arrival[] = [];
  for (const { temporary, base, flags, facts } of copies)
    arrivals.push({ from: temporary, file: placeFor(base, await bitsOf(state, flags)), facts });
  return arrivals.length === 0 ? [] : admit(state, arrivals);
}
