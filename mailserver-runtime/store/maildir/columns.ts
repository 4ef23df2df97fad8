/**
 * The packed state of a mailbox (MailboxView) and how the next one is made from it.
 *
 * Columns are copy-on-write: a change copies only the columns it touches. Messages are added behind the last
 * one in the same buffers where there is room, since an older view never looks beyond its own count.
 */
import { Flag, type MailboxView, positionOf } from "../mail-store.ts";

export interface NewRow {
  readonly uid: number;
  readonly flags: number;
  readonly modSeq: number;
  readonly size: number;
  readonly date: number;
}

export function emptyView(uidNext: number, highestModSeq: number, keywords: readonly string[]): MailboxView {
  return {
    count: 0,
    uids: new Uint32Array(0),
    flags: new Uint32Array(0),
    modSeqs: new Float64Array(0),
    sizes: new Float64Array(0),
    dates: new Float64Array(0),
    keywords,
    highestModSeq,
    uidNext,
  };
}

/** The rows behind the view's last; their UIDs ascend and are above all others. */
export function withRows(view: MailboxView, rows: readonly NewRow[], highestModSeq: number): MailboxView {
  const count = view.count + rows.length;
  const uids = grownU32(view.uids, count);
  const flags = grownU32(view.flags, count);
  const modSeqs = grownF64(view.modSeqs, count);
  const sizes = grownF64(view.sizes, count);
  const dates = grownF64(view.dates, count);
  let at = view.count;
  for (const row of rows) {
    uids[at] = row.uid;
    flags[at] = row.flags;
    modSeqs[at] = row.modSeq;
    sizes[at] = row.size;
    dates[at] = row.date;
    at++;
  }
  const uidNext = rows.length === 0 ? view.uidNext : Math.max(view.uidNext, rows[rows.length - 1]!.uid + 1);
  return { ...view, count, uids, flags, modSeqs, sizes, dates, highestModSeq, uidNext };
}
// Each column remembers how far its buffer is filled: only the newest view may write behind its end.
const filled = new WeakMap<ArrayBufferLike, number>();
function grownU32(column: Uint32Array, count: number): Uint32Array {
  const buffer = grownBuffer(column.buffer, 4 * column.length, 4 * count);
  const grown = new Uint32Array(buffer, 0, count);
  if (buffer !== column.buffer) grown.set(column);
  return grown;
}
function grownF64(column: Float64Array, count: number): Float64Array {
  const buffer = grownBuffer(column.buffer, 8 * column.length, 8 * count);
  const grown = new Float64Array(buffer, 0, count);
  if (buffer !== column.buffer) grown.set(column);
  return grown;
}
function grownBuffer(buffer: ArrayBufferLike, used: number, needed: number): ArrayBufferLike {
  const end = filled.get(buffer) ?? buffer.byteLength;
  if (end === used && needed <= buffer.byteLength) {
    filled.set(buffer, needed);
    return buffer;
  }
  const fresh = new ArrayBuffer(Math.max(512, needed + (needed >> 2)));
  const aligned =
    fresh.byteLength % 8 === 0 ? fresh : new ArrayBuffer(fresh.byteLength + 8 - (fresh.byteLength % 8));
  filled.set(aligned, needed);
  return aligned;
}

/** Other flags at the given positions; their MODSEQ becomes `modSeq`. */
export function withFlags(
  view: MailboxView,
  positions: readonly number[],
  flags: readonly number[],
  modSeq: number,
): MailboxView {
  const flagColumn = view.flags.slice();
  const modSeqs = view.modSeqs.slice();
  for (let i = 0; i < positions.length; i++) {
    flagColumn[positions[i]!] = flags[i]!;
    modSeqs[positions[i]!] = modSeq;
  }
  return { ...view, flags: flagColumn, modSeqs, highestModSeq: Math.max(view.highestModSeq, modSeq) };
}

/** \Recent taken off: no change a client is told of, so no MODSEQ. */
export function withoutRecent(view: MailboxView): MailboxView {
  const flags = view.flags.slice();
  for (let i = 0; i < flags.length; i++) flags[i] = flags[i]! & ~Flag.Recent;
  return { ...view, flags };
}

/** Without the given UIDs. */
export function withoutUids(view: MailboxView, gone: ReadonlySet<number>, modSeq: number): MailboxView {
  const keep: number[] = [];
  for (let i = 0; i < view.count; i++) if (!gone.has(view.uids[i]!)) keep.push(i);
  const count = keep.length;
  const uids = new Uint32Array(count);
  const flags = new Uint32Array(count);
  const modSeqs = new Float64Array(count);
  const sizes = new Float64Array(count);
  const dates = new Float64Array(count);
  for (let to = 0; to < count; to++) {
    const from = keep[to]!;
    uids[to] = view.uids[from]!;
    flags[to] = view.flags[from]!;
    modSeqs[to] = view.modSeqs[from]!;
    sizes[to] = view.sizes[from]!;
    dates[to] = view.dates[from]!;
  }
  return {
    ...view,
    count,
    uids,
    flags,
    modSeqs,
    sizes,
    dates,
    highestModSeq: Math.max(view.highestModSeq, modSeq),
  };
}

/** Another size at one message: a wrong W= was found out. */
export function withSize(view: MailboxView, uid: number, size: number): MailboxView {
  const at = positionOf(view, uid);
  if (at < 0 || view.sizes[at] === size) return view;
  const sizes = view.sizes.slice();
  sizes[at] = size;
  return { ...view, sizes };
}

export function countFlags(view: MailboxView): {
  recent: number;
  unseen: number;
  deleted: number;
  size: number;
  deletedSize: number;
} {
  let recent = 0;
  let unseen = 0;
  let deleted = 0;
  let size = 0;
  let deletedSize = 0;
  for (let i = 0; i < view.count; i++) {
    const flags = view.flags[i]!;
    if (flags & Flag.Recent) recent++;
    if ((flags & Flag.Seen) === 0) unseen++;
    if (flags & Flag.Deleted) {
      deleted++;
      deletedSize += view.sizes[i]!;
    }
    size += view.sizes[i]!;
  }
  return { recent, unseen, deleted, size, deletedSize };
}
