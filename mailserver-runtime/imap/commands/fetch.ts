import { Flag, StoreError } from "../../store/mail-store.ts";
import { FetchMessage } from "../fetch/fetch-message.ts";
import { type ItemWriter, itemWriter } from "../fetch/items.ts";
import type { Cursor } from "../grammar/cursor.ts";
import { GrammarError } from "../grammar/cursor.ts";
import { type FetchItem, parseFetchItems } from "../grammar/fetch-items.ts";
import { type PartialRange, parsePartialRange, partOf } from "../grammar/result-options.ts";
import { normalize, parseSequenceSet, type SequenceSet } from "../grammar/sequence-set.ts";
import { beginFetch, type Positions } from "../selected.ts";
import type { Session } from "../session.ts";
import { vanishedSince, writeVanishedEarlier } from "../vanished.ts";
import { type Command, type Completion, command, no, ok } from "./command.ts";

interface FetchArguments {
  readonly set: SequenceSet;
  readonly items: readonly FetchItem[];
  /** RFC 7162: only messages changed since. */
  readonly changedSince: number | undefined;
  readonly vanished: boolean;
  /** RFC 9394 §3.2: only a stretch of the messages. */
  readonly partial: PartialRange | undefined;
}

/** Messages loaded ahead of the one being written. */
const AHEAD = 8;
/** Messages that are marked \Seen together, before they are sent. */
const SEEN_BATCH = 256;

function parse(cursor: Cursor): FetchArguments {
  cursor.space();
  const set = parseSequenceSet(cursor);
  cursor.space();
  const items = parseFetchItems(cursor);
  let changedSince: number | undefined;
  let vanished = false;
  let partial: PartialRange | undefined;
  if (cursor.take(" ")) {
    cursor.list(() => {
      const modifier = cursor.keyword();
      if (modifier === "VANISHED") vanished = true;
      else if (modifier === "CHANGEDSINCE") {
        cursor.space();
        changedSince = cursor.number64();
      } else if (modifier === "PARTIAL") {
        cursor.space();
        partial = parsePartialRange(cursor);
      } else throw new GrammarError(`FETCH has no modifier ${modifier.slice(0, 40)}`);
    });
  }
  cursor.end();
  if (vanished && changedSince === undefined) throw new GrammarError("VANISHED goes with CHANGEDSINCE");
  return { set, items, changedSince, vanished, partial };
}

async function run(session: Session, args: FetchArguments, byUid: boolean): Promise<Completion> {
  const { box, out, enabled } = session;
  if (args.vanished && !(byUid && enabled.qresync)) {
    throw new GrammarError("VANISHED goes with UID FETCH and ENABLE QRESYNC");
  }
  const names = new Set(args.items.map((item) => (item.kind === "simple" ? item.name : "")));
  if (names.has("MODSEQ") || args.changedSince !== undefined) session.enableCondstore();
  if (args.vanished && args.set.kind === "ranges") {
    const among = normalize(args.set.ranges, Math.max(1, box.known.uidNext - 1));
    writeVanishedEarlier(out, await vanishedSince(session, args.changedSince!, among));
  }
  let positions = box.resolve(args.set, byUid, session.saved);
  if (args.changedSince !== undefined) positions = changedSince(session, positions, args.changedSince);
  if (args.partial) {
    if (!byUid) throw new GrammarError("PARTIAL goes with UID FETCH (RFC 9394 section 3.2)");
    const uids = partOf(box.uidsOf(positions), args.partial);
    positions = box.positionsOf(uids);
  }
  box.writeNewKeywords(out);
  const items: FetchItem[] = [...args.items];
  if (byUid && !names.has("UID") && !enabled.uidOnly) items.unshift({ kind: "simple", name: "UID" });
  if (args.changedSince !== undefined && !names.has("MODSEQ")) items.push({ kind: "simple", name: "MODSEQ" });
  const seen = !box.readOnly && box.may("s") && args.items.some((item) => "peek" in item && !item.peek);
  const failure = await answer(session, items, positions, seen);
  return failure ?? ok("Fetched.");
}

function changedSince(session: Session, positions: Positions, modSeq: number): Positions {
  const { box } = session;
  const found: [number, number][] = [];
  for (const [first, last] of positions) {
    for (let position = first; position <= last; position += 1) {
      if (box.modSeqAt(position) > modSeq) found.push([position, position]);
    }
  }
  return found;
}

async function answer(
  session: Session,
  items: readonly FetchItem[],
  positions: Positions,
  seen: boolean,
): Promise<Completion | undefined> {
  const writers = items.map(itemWriter);
  session.out.beginTurn();
  let needs = 0;
  for (const writer of writers) needs |= writer.needs;
  if (needs === 0 && !writers.some((writer) => writer.prepare)) {
    await answerFromIndex(session, writers, positions);
    return undefined;
  }
  let failure: Completion | undefined;
  const asked = (name: string) => items.some((item) => item.kind === "simple" && item.name === name);
  // RFC 9051 §6.4.5: flags changed by the fetch are part of its answer, and with CONDSTORE their MODSEQ (RFC 7162 §3.1).
  const shown = { flags: !asked("FLAGS"), modSeq: session.enabled.condstore && !asked("MODSEQ") };
  for (const batch of batches(positions, seen ? SEEN_BATCH : Number.POSITIVE_INFINITY)) {
    const changed = seen ? await markSeen(session, batch) : undefined;
    failure =
      (await answerLoaded(session, writers, needs, batch, { ...shown, uids: changed ?? NOBODY })) ?? failure;
  }
  return failure;
}

/** What is told of messages that the fetch itself has marked as seen, beside what was asked for. */
interface MarkedSeen {
  readonly uids: ReadonlySet<number>;
  readonly flags: boolean;
  readonly modSeq: boolean;
}
const NOBODY: ReadonlySet<number> = new Set();

/** Items of the index alone: no promise, no object that lives longer than its message. */
async function answerFromIndex(
  session: Session,
  writers: readonly ItemWriter[],
  positions: Positions,
): Promise<void> {
  const { box, out, enabled } = session;
  const { uidOnly } = enabled;
  for (const [first, last] of positions) {
    for (let position = first; position <= last; position += 1) {
      const message = new FetchMessage(box, position);
      beginFetch(out, uidOnly ? message.uid : position + 1, uidOnly);
      for (let index = 0; index < writers.length; index += 1) {
        if (index > 0) out.text(" ");
        writers[index]!.write(out, message);
      }
      out.text(")\r\n");
      if (out.mustPause()) await out.pause();
    }
  }
}

/** Messages are loaded a few ahead and answered in order; what is gone is left out and told at the end. */
async function answerLoaded(
  session: Session,
  writers: readonly ItemWriter[],
  needs: number,
  positions: Positions,
  marked: MarkedSeen,
): Promise<Completion | undefined> {
  const { box, out } = session;
  const waiting: { readonly message: FetchMessage; readonly loaded: Promise<unknown> }[] = [];
  let failure: Completion | undefined;
  const finishFirst = async () => {
    const { message, loaded } = waiting.shift()!;
    const error = await loaded;
    try {
      if (error !== undefined) failure = refusalOf(error);
      else failure = (await answerOne(session, writers, message, marked)) ?? failure;
    } finally {
      if (message.content) await message.dispose();
    }
    if (out.mustPause()) await out.pause();
  };
  try {
    for (const [first, last] of positions) {
      for (let position = first; position <= last; position += 1) {
        const message = new FetchMessage(box, position);
        // Errors become values, so that one of a message ahead is nobody's unhandled rejection.
        waiting.push({
          message,
          loaded: message.load(needs).then(undefined, (error: unknown) => error ?? true),
        });
        if (waiting.length > AHEAD) await finishFirst();
      }
    }
    while (waiting.length > 0) await finishFirst();
    return failure;
  } finally {
    for (const { message, loaded } of waiting) void loaded.then(() => message.dispose());
  }
}

async function answerOne(
  session: Session,
  writers: readonly ItemWriter[],
  message: FetchMessage,
  marked: MarkedSeen,
): Promise<Completion | undefined> {
  const { box, out } = session;
  for (const writer of writers) {
    const refusal = writer.prepare ? await writer.prepare(message) : undefined;
    if (refusal !== undefined) return no("The part's encoding cannot be taken off.", refusal);
  }
  const { uidOnly } = session.enabled;
  beginFetch(out, uidOnly ? message.uid : message.position + 1, uidOnly);
  for (let index = 0; index < writers.length; index += 1) {
    if (index > 0) out.text(" ");
    const streaming = writers[index]!.write(out, message);
    if (streaming) await streaming;
  }
  if (marked.uids.has(message.uid)) {
    if (marked.flags) {
      const flags = box.flagsAt(message.position);
      box.noteTold(message.position, flags);
      out.text(" FLAGS ");
      out.bytes(box.flagNames(flags));
    }
    if (marked.modSeq) out.text(` MODSEQ (${Math.max(1, box.modSeqAt(message.position))})`);
  }
  out.text(")\r\n");
  return undefined;
}

/** RFC 2180 §4.1.2: what others expunged is left out, and the command says so. */
function refusalOf(error: unknown): Completion {
  if (!(error instanceof StoreError)) throw error;
  if (error.code === "expunged") return no("Some of the messages no longer exist.", "EXPUNGEISSUED");
  if (error.code === "no-permission") return no("You may not read them any longer.", "NOPERM");
  return no("Some of the messages cannot be read at the moment.", "UNAVAILABLE");
}

/** Sets \Seen before messages are sent; returns the UIDs it was new for. */
async function markSeen(session: Session, positions: Positions): Promise<ReadonlySet<number>> {
  const { box } = session;
  const uids: number[] = [];
  for (const [first, last] of positions) {
    for (let position = first; position <= last; position += 1) {
      if (!(box.flagsAt(position) & Flag.Seen)) uids.push(box.known.uids[position]!);
    }
  }
  if (uids.length > 0) await box.mailbox.setFlags({ uids, mode: "add", flags: ["\\Seen"] });
  return new Set(uids);
}

/** Cuts positions into runs of at most `size` messages. */
function* batches(positions: Positions, size: number): Iterable<Positions> {
  if (size === Number.POSITIVE_INFINITY) {
    yield positions;
    return;
  }
  for (const [first, last] of positions) {
    for (let from = first; from <= last; from += size) yield [[from, Math.min(last, from + size - 1)]];
  }
}

/** FETCH and UID FETCH (RFC 9051 §6.4.5). */
const row = (name: string, byUid: boolean): Command =>
  command({
    name,
    states: ["selected"],
    expunges: byUid,
    parse,
    run: (session, args) => run(session, args, byUid),
  });
export const fetch = row("FETCH", false);
export const uidFetch = row("UID FETCH", true);
