/**
 * How a mailbox comes into memory and leaves it: from its index where that is current, brought up to date
 * where only others changed something since, and from the folder and `dovecot-uidlist` otherwise.
 */
import { setTimeout as delay } from "node:timers/promises";
import { admitFound, newcomers } from "./arrivals.ts";
import { emptyView, type NewRow, withRows } from "./columns.ts";
import { compareNew, compareWithDisk, nameDuplicates } from "./comparing.ts";
import { storeError } from "./durable.ts";
import { dateOf, field } from "./file-name.ts";
import { readKeywords } from "./keywords.ts";
import { readModSeqCeiling, writeModSeqCeiling } from "./mailbox-file.ts";
import {
  factsFrom,
  type MailboxIndex,
  readIndex,
  type Stamps,
  stampsOf,
  writeIndex,
} from "./mailbox-index.ts";
import type { MailboxState } from "./mailbox-state.ts";
import { factsOf } from "./message-facts.ts";
import { MessageFiles, namesAtHand } from "./message-files.ts";
import { Pace } from "./pace.ts";
import { namesInFolder, passOver } from "./scan.ts";
import { newGuid, readUidList } from "./uid-list.ts";

const ATTEMPTS = 5;
const CALM_MS = 25;
/** dovecot-uidlist is written anew when more than half of it, and this much, is of messages that are gone. */
const STALE_RECORDS = 1000;

/** Fills the state. Resolves with the MODSEQ that the index on disk has, or -1 when it must be written. */
export async function loadState(state: MailboxState): Promise<number> {
  const saved = await readState(state);
  state.isLoading = false;
  return saved;
}

async function readState(state: MailboxState): Promise<number> {
  state.home.checkVolume();
  const index = await readIndex(state.home.indexPath);
  state.modSeqCeiling = readModSeqCeiling(state.directory);
  if (index !== undefined && index.view.highestModSeq === state.modSeqCeiling) {
    let stamps: Stamps;
    try {
      stamps = await stampsOf(state.directory);
    } catch (error) {
      throw storeError(error, `Opening ${state.name}`);
    }
    if (stamps.list === index.stamps.list && stamps.keywords === index.stamps.keywords) {
      await adopt(state, index, stamps);
      return stamps.cur === index.stamps.cur && stamps.new === index.stamps.new
        ? state.view.highestModSeq
        : -1;
    }
  }
  await loadFromFolder(state, index);
  return -1;
}

async function adopt(state: MailboxState, index: MailboxIndex, stamps: Stamps): Promise<void> {
  state.uidValidity = index.uidValidity;
  state.guid = index.guid;
  state.view = index.view;
  state.files = new MessageFiles({
    inNew: index.inNew,
    // Lost meanwhile, or damaged: the folder itself says it again.
    load: () => index.names() ?? namesInFolder(state.directory, index.view.uids),
  });
  state.nobodyRecent = index.isSeen ? index.view.flags : undefined;
  state.expunged = index.expunged;
  state.rememberedFrom = index.rememberedFrom;
  state.records = index.records;
  if (stamps.cur !== index.stamps.cur || (stamps.new !== index.stamps.new && !(await compareNew(state))))
    await compareWithDisk(state);
}

async function loadFromFolder(state: MailboxState, index: MailboxIndex | undefined): Promise<void> {
  const found = readUidList(state.directory);
  const list = found === "damaged" ? undefined : found;
  if (found === "damaged")
    state.home.log.warn(
      { mailbox: state.name },
      "dovecot-uidlist is damaged: the mailbox gets a new UIDVALIDITY",
    );
  state.guid = list?.guid ?? newGuid();
  state.uidValidity = list?.uidValidity ?? (await state.home.nextUidValidity());
  // What changed since the ceiling was written is not known: every message counts as changed after it.
  const modSeq = state.modSeqCeiling + 1;
  await state.reserve(modSeq);
  state.rememberedFrom = modSeq;
  state.view = emptyView(list?.nextUid ?? 1, modSeq, readKeywords(state.directory));

  const files = await everyFile(state, list?.names ?? []);
  const hints = index !== undefined && index.uidValidity === state.uidValidity ? factsFrom(index) : undefined;
  const rows: NewRow[] = [];
  const seen = new Set<string>();
  const pace = new Pace();
  for (let i = 0; list !== undefined && i < list.uids.length; i++) {
    await pace.step();
    const base = list.names[i]!;
    const file = files.get(base);
    if (file === undefined || seen.has(base)) continue;
    seen.add(base);
    const size = field(base, "W");
    const date = dateOf(base);
    const facts =
      hints?.get(base) ??
      (size >= 0 && date >= 0 ? { size, date } : await factsOf(state.directory, file, base));
    if (facts === undefined) continue;
    const uid = list.uids[i]!;
    rows.push({ uid, flags: state.bitsOf(file), modSeq, size: facts.size, date: facts.date });
    state.files.set(uid, file);
  }
  state.records = list?.uids.length ?? 0;
  state.view = { ...withRows(state.view, rows, modSeq), uidNext: list?.nextUid ?? 1 };
  // Packed now, so that a hundred thousand names are one object.
  state.files = new MessageFiles(
    namesAtHand(state.files.pack(state.view.uids.subarray(0, state.view.count))),
  );
  if (list === undefined || !list.appendable || list.guid === undefined) await state.rewriteUidList();
  const arrivals = await newcomers(
    state,
    [...files].filter(([base]) => !seen.has(base)),
  );
  await admitFound(state, arrivals);
}

/** Every file there is; where known ones are missing, from as many passes as it takes to be sure. */
async function everyFile(state: MailboxState, known: readonly string[]): Promise<Map<string, string>> {
  const all = new Map<string, string>();
  for (let attempt = 0; ; attempt++) {
    const pass = await passOver(state.directory);
    nameDuplicates(state, pass);
    for (const [base, file] of pass.files) all.set(base, file);
    if (pass.quiet || attempt === ATTEMPTS || known.every((base) => all.has(base))) return all;
    await delay(CALM_MS);
  }
}

/**
 * Writes the index, so that the next opening is quick. `isKnown` says whether memory shows all there is on disk;
 * where another program is at work the index is left for another time. Resolves as loadState does.
 */
export async function saveState(state: MailboxState, isKnown: () => Promise<boolean>): Promise<number> {
  if (state.records > 2 * state.view.count + STALE_RECORDS) await state.rewriteUidList();
  for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
    const stamps = await stampsOf(state.directory);
    if (stamps.settled) {
      if (!(await isKnown())) return -1;
      const { highestModSeq } = state.view;
      await writeIndex(state.home.indexPath, state, stamps);
      // Given back: equal to the highest MODSEQ, it says that nothing changed since.
      if (state.modSeqCeiling !== highestModSeq) {
        await writeModSeqCeiling(state.directory, highestModSeq);
        state.modSeqCeiling = highestModSeq;
      }
      return highestModSeq;
    }
    await delay(CALM_MS);
  }
  return -1;
}
