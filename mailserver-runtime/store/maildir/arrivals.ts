/**
 * How messages get their UID: files are renamed into place, records appended to dovecot-uidlist, all of it is
 * synced, and only then anybody sees them. So a UID that was shown is never given to another message.
 */
import { renameSync } from "node:fs";
import { Flag, StoreError } from "../mail-store.ts";
import { type NewRow, withRows } from "./columns.ts";
import { storeError, syncDirectory } from "./durable.ts";
import { baseName, byArrival, infoFor, isOwn } from "./file-name.ts";
import type { MailboxState } from "./mailbox-state.ts";
import { factsOf, type MessageFacts } from "./message-facts.ts";
import { removeQuietly } from "./message-writer.ts";
import { Pace } from "./pace.ts";
import { appendToUidList, MAX_UID } from "./uid-list.ts";
import type { CountedFile } from "./usage.ts";

/** A message on its way in; `file` is relative to the folder. */
export interface Arrival {
  /** Absolute path it is renamed from; undefined when it is in place already. */
  readonly from: string | undefined;
  readonly file: string;
  readonly facts: MessageFacts;
}

/** Where a message with these flags is put: one without is new to everybody. */
export function placeFor(base: string, flags: number): string {
  return flags === 0 ? `new/${base}` : `cur/${base}${infoFor(flags, base)}`;
}

/** Gives UIDs in the order of the arrivals and publishes. On failure nothing is shown and nothing stays. */
export async function admit(state: MailboxState, arrivals: readonly Arrival[]): Promise<number[]> {
  const first = state.view.uidNext;
  if (first + arrivals.length > MAX_UID)
    throw new StoreError("unavailable", `The mailbox ${state.name} has no UIDs left.`);
  const uids = arrivals.map((_, i) => first + i);
  const bases = arrivals.map(({ file }) => baseName(file.slice(4)));
  const renamed: string[] = [];
  const folders = new Set<string>();
  let modSeq: number;
  try {
    for (const { from, file } of arrivals) {
      if (from === undefined) continue;
      state.expect(file);
      state.home.usage.enter(baseName(file.slice(4)));
      renamed.push(file);
      renameSync(from, `${state.directory}/${file}`);
      folders.add(file.slice(0, 3));
    }
    if (state.isListDoubtful) await state.rewriteUidList();
    [modSeq] = await Promise.all([
      state.nextModSeq(),
      appendToUidList(state.directory, uids, bases).catch((error) => {
        state.isListDoubtful = true;
        throw error;
      }),
      ...[...folders].map((folder) => syncDirectory(`${state.directory}/${folder}`)),
    ]);
  } catch (error) {
    for (const file of renamed) {
      removeQuietly(`${state.directory}/${file}`);
      state.home.usage.gaveUp(baseName(file.slice(4)));
    }
    throw storeError(error, `Adding to the mailbox ${state.name}`);
  }
  state.records += uids.length;
  const entered: CountedFile[] = [];
  let isUncertain = false;
  const rows = arrivals.map(({ from, file, facts }, i): NewRow => {
    state.files.set(uids[i]!, file);
    if (from !== undefined) entered.push({ base: bases[i]!, bytes: facts.size });
    // A delivery counts its message itself, whether the mailbox is in memory or not. What others put here may have been
    // there already when the account was counted.
    else if (!state.counted.has(bases[i]!) && (!state.isLoading || !isOwn(file.slice(4)))) isUncertain = true;
    // What comes with flags lies in `cur` and is new to everybody all the same (RFC 3501 §6.4.7).
    const flags = (state.bitsOf(file) | Flag.Recent) >>> 0;
    return { uid: uids[i]!, flags, modSeq, size: facts.size, date: facts.date };
  });
  state.home.usage.entered(entered);
  if (isUncertain) state.home.usage.forget();
  state.publish(withRows(state.view, rows, modSeq), { added: uids });
  return uids;
}

/**
 * Admits what is in place already. On a full disk it waits for its UIDs until there is room: what is known can still be
 * read, and expunged.
 */
export async function admitFound(state: MailboxState, arrivals: readonly Arrival[]): Promise<void> {
  state.withheld = 0;
  if (arrivals.length === 0) return;
  try {
    await admit(state, arrivals);
  } catch (error) {
    if (!(error instanceof StoreError) || error.code !== "no-space") throw error;
    state.withheld = arrivals.length;
    state.home.log.warn(
      { event: "messages-withheld", mailbox: state.name, messages: arrivals.length },
      "messages are not shown until the disk has room for their UIDs",
    );
  }
}

/** Files that have no UID yet, in the order in which they get one. Those of a delivery under way wait. */
export async function newcomers(
  state: MailboxState,
  found: readonly (readonly [base: string, file: string])[],
): Promise<Arrival[]> {
  const arrivals: Arrival[] = [];
  const pace = new Pace();
  for (const [base, file] of [...found].sort((a, b) => byArrival(a[0], b[0]))) {
    if (state.home.inFlight.has(base)) continue;
    await pace.step();
    const facts = await factsOf(state.directory, file, base);
    if (facts !== undefined) arrivals.push({ from: undefined, file, facts });
  }
  return arrivals;
}
