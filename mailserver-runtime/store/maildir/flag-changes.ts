/** Flags: a change is a rename of the message's file, from `new` to `cur` where it lies there. */
import { renameSync } from "node:fs";
import { Flag, type FlagChange, KEYWORD_SHIFT, MAX_KEYWORDS, positionOf, StoreError } from "../mail-store.ts";
import { withFlags } from "./columns.ts";
import { compareWithDisk } from "./comparing.ts";
import { errorCode, storeError } from "./durable.ts";
import { baseName, infoFor, pathOf } from "./file-name.ts";
import { keywordNumber, writeKeywords } from "./keywords.ts";
import type { MailboxState } from "./mailbox-state.ts";
import { Pace } from "./pace.ts";

/** Looks for files that another program renames before a change is given up for them. */
const ATTEMPTS = 3;

const SYSTEM_FLAGS: Readonly<Record<string, number>> = {
  "\\seen": Flag.Seen,
  "\\answered": Flag.Answered,
  "\\flagged": Flag.Flagged,
  "\\deleted": Flag.Deleted,
  "\\draft": Flag.Draft,
};
/** Bits of system flags by name; \Recent is the server's own, and other backslash names mean nothing (RFC 9051 §2.3.2). */
export function systemBits(flags: readonly string[]): number {
  return flags.reduce((bits, flag) => bits | (SYSTEM_FLAGS[flag.toLowerCase()] ?? 0), 0);
}

/** Bits of flags by name; a keyword new to the mailbox gets a letter, durably. Throws "cannot" when all are taken. */
export async function bitsOf(state: MailboxState, names: readonly string[]): Promise<number> {
  let bits = systemBits(names);
  let keywords = state.view.keywords;
  for (const name of names) {
    if (name.startsWith("\\")) continue;
    let number = keywordNumber(keywords, name);
    if (number < 0) {
      if (keywords.length >= MAX_KEYWORDS)
        throw new StoreError(
          "cannot",
          `${state.name} has ${MAX_KEYWORDS} keywords already; "${name}" has no place.`,
        );
      if (!/^[^\s\u0000-\u001f\u007f]{1,100}$/.test(name))
        throw new StoreError("cannot", `"${name}" cannot be a keyword.`);
      keywords = [...keywords, name];
      number = keywords.length - 1;
    }
    bits |= 1 << (KEYWORD_SHIFT + number);
  }
  if (keywords !== state.view.keywords) {
    await writeKeywords(state.directory, keywords);
    state.view = { ...state.view, keywords };
  }
  return bits >>> 0;
}

/** Names of the system flags in these bits, without \Recent. */
export function systemNames(bits: number): string[] {
  return Object.entries(SYSTEM_FLAGS).flatMap(([name, bit]) => (bits & bit ? [name] : []));
}
/** Names of the flags in these bits, without \Recent. */
export function namesOf(state: MailboxState, bits: number): string[] {
  const names = systemNames(bits);
  state.view.keywords.forEach((name, i) => {
    if (name !== "" && bits & (1 << (KEYWORD_SHIFT + i))) names.push(name);
  });
  return names;
}

const APPLY: Readonly<Record<FlagChange["mode"], (old: number, bits: number, known: number) => number>> = {
  add: (old, bits) => old | bits,
  remove: (old, bits) => old & ~bits,
  replace: (old, bits, known) => (old & ~known) | bits,
};

/** Makes the change and publishes it; `folders` get what must be synced before it is durable. */
export async function changeFlags(
  state: MailboxState,
  change: FlagChange,
  folders: Set<string>,
): Promise<number[]> {
  const bits = await bitsOf(state, change.flags);
  const known = state.knownBits();
  const apply = APPLY[change.mode];
  const modified: number[] = [];
  let todo: readonly number[] = change.uids;
  for (let attempt = 0; todo.length > 0 && attempt < ATTEMPTS; attempt++) {
    const modSeq = await state.nextModSeq();
    const { view } = state;
    const positions: number[] = [];
    const flags: number[] = [];
    const moved: number[] = [];
    let failure: StoreError | undefined;
    const pace = new Pace();
    for (const uid of todo) {
      await pace.step();
      const at = positionOf(view, uid);
      if (at < 0) continue;
      if (change.unchangedSince !== undefined && attempt === 0 && view.modSeqs[at]! > change.unchangedSince) {
        modified.push(uid);
        continue;
      }
      const old = view.flags[at]!;
      const next = apply(old, bits, known) >>> 0;
      if (next === old) continue;
      try {
        renameFor(state, uid, next, folders);
        positions.push(at);
        flags.push(next & ~Flag.Recent);
      } catch (error) {
        if (errorCode(error) !== "ENOENT") {
          failure = storeError(error, `Changing flags in ${state.name}`);
          break;
        }
        moved.push(uid);
      }
    }
    if (positions.length > 0) {
      // \Recent may have been claimed meanwhile, and nothing else changes a view while we run.
      const now = state.view;
      const kept = positions.map((at, i) => (flags[i]! | (now.flags[at]! & Flag.Recent)) >>> 0);
      const flagged = positions.map((at) => now.uids[at]!).sort((a, b) => a - b);
      state.publish(withFlags(now, positions, kept, modSeq), { flagged, origin: change.origin });
    }
    if (failure !== undefined) throw failure;
    todo = moved;
    if (todo.length > 0) await compareWithDisk(state);
  }
  return modified.sort((a, b) => a - b);
}

/** Renames the file of a message for other flags; throws what the operating system says. */
export function renameFor(state: MailboxState, uid: number, flags: number, folders: Set<string>): void {
  const old = state.files.get(uid)!;
  const file = `cur/${baseName(old.slice(4))}${infoFor(flags & ~Flag.Recent, old)}`;
  if (file === old) return;
  state.expect(old);
  state.expect(file);
  renameSync(pathOf(state.directory, old), pathOf(state.directory, file));
  state.files.set(uid, file);
  folders.add("cur");
  if (old.startsWith("new/")) folders.add("new");
}
