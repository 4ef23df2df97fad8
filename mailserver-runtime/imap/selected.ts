/**
 * A session's selected mailbox: the state its client knows, and how it learns what has changed.
 *
 * Sequence numbers belong to a session (RFC 9051 §2.3.1.2): the store's views are immutable and newer ones
 * come at any time, but number 7 means what the client was last told. So a session keeps the view its client
 * knows (`known`), and `synchronize` walks from it to the store's newest in one merge, writing EXPUNGE (or
 * VANISHED), EXISTS, RECENT and FETCH on the way. When EXPUNGE is not allowed (RFC 9051 §7.5.1) and one is
 * waiting, numbers stay as they are and only flag changes are told.
 */
import { Flag, KEYWORD_SHIFT, type Mailbox, type MailboxView, positionOf } from "../store/mail-store.ts";
import { rightFor, rightsOn } from "./access/guarded-mailbox.ts";
import type { Right } from "./access/rights.ts";
import { GrammarError } from "./grammar/cursor.ts";
import { formatSet, LARGEST, type NumberRange, normalize, type SequenceSet } from "./grammar/sequence-set.ts";
import type { Output } from "./output.ts";

/** How a client wants to be told of changes: what it enabled. */
export interface UpdateStyle {
  /** VANISHED instead of EXPUNGE (RFC 7162, RFC 9586). */
  readonly vanished: boolean;
  /** UIDFETCH instead of FETCH (RFC 9586). */
  readonly uidOnly: boolean;
  /** MODSEQ in every FETCH of flags (RFC 7162). */
  readonly condstore: boolean;
  /** No RECENT (RFC 9051). */
  readonly rev2: boolean;
  /** Changes of flags by others; NOTIFY may leave them out (RFC 5465). */
  readonly flags: boolean;
}

/** Positions in `known`, both ends included, ascending and disjoint. */
export type Positions = readonly NumberRange[];

const SYSTEM_NAMES: readonly (readonly [bit: number, name: string])[] = [
  [Flag.Answered, "\\Answered"],
  [Flag.Flagged, "\\Flagged"],
  [Flag.Deleted, "\\Deleted"],
  [Flag.Seen, "\\Seen"],
  [Flag.Draft, "\\Draft"],
  [Flag.Recent, "\\Recent"],
];
/** Names of flag words are kept up to so many; a mailbox uses a few dozen. */
const MAX_NAMED_WORDS = 4096;

export class Selected {
  readonly mailbox: Mailbox;
  readonly readOnly: boolean;
  /** What the client knows. */
  known: MailboxView;
  /** Messages that are \Recent for this session. */
  readonly #recent = new Set<number>();
  /** Flags the client has been told (or has set silently) since `known`, by UID. */
  readonly #told = new Map<number, number>();
  #names = new Map<number, Buffer>();
  #keywordsShown: number;

  constructor(mailbox: Mailbox, readOnly: boolean) {
    this.mailbox = mailbox;
    this.readOnly = readOnly;
    this.known = mailbox.view();
    this.#keywordsShown = this.known.keywords.length;
    this.#takeRecent(this.known, 0);
  }

  /** Whether the session's user has this right on the mailbox now (RFC 4314). */
  may(right: Right): boolean {
    return rightsOn(this.mailbox).includes(right);
  }

  get recentCount(): number {
    return this.#recent.size;
  }

  /** A read-write session claims what nobody has seen; a read-only one looks only (RFC 3501 §6.3.2). */
  #takeRecent(view: MailboxView, from: number): void {
    if (!this.readOnly) for (const uid of this.mailbox.claimRecent()) this.#recent.add(uid);
    else {
      for (let index = from; index < view.count; index += 1) {
        if (view.flags[index]! & Flag.Recent) this.#recent.add(view.uids[index]!);
      }
    }
  }

  /** Flags to show for the message at a position, the newest there are. */
  flagsAt(position: number): number {
    const { known } = this;
    const uid = known.uids[position]!;
    const latest = this.mailbox.view();
    let flags: number;
    if (latest === known || latest.flags === known.flags) flags = known.flags[position]!;
    else if (latest.uids === known.uids) flags = latest.flags[position]!;
    else {
      const found = positionOf(latest, uid);
      flags = found < 0 ? known.flags[position]! : latest.flags[found]!;
    }
    flags &= ~Flag.Recent;
    return this.#recent.size > 0 && this.#recent.has(uid) ? flags | Flag.Recent : flags;
  }

  modSeqAt(position: number): number {
    const { known } = this;
    const latest = this.mailbox.view();
    if (latest === known) return known.modSeqs[position]!;
    if (latest.uids === known.uids) return latest.modSeqs[position]!;
    const found = positionOf(latest, known.uids[position]!);
    return found < 0 ? known.modSeqs[position]! : latest.modSeqs[found]!;
  }

  /** The client is being shown these flags of this message now. */
  noteTold(position: number, flags: number): void {
    const plain = flags & ~Flag.Recent;
    const uid = this.known.uids[position]!;
    const before = this.#told.get(uid) ?? this.known.flags[position]! & ~Flag.Recent;
    if (before !== plain) this.#told.set(uid, plain);
  }

  /** The flags the client believes this message to have. */
  believedFlags(position: number): number {
    return this.#told.get(this.known.uids[position]!) ?? this.known.flags[position]! & ~Flag.Recent;
  }

  isRecent(uid: number): boolean {
    return this.#recent.has(uid);
  }

  /** `(\Seen $Forwarded)` for a flag word; remembered, because few words serve many messages. */
  flagNames(flags: number): Buffer {
    const found = this.#names.get(flags);
    if (found) return found;
    const { keywords } = this.mailbox.view();
    const names = SYSTEM_NAMES.filter(([bit]) => flags & bit).map(([, name]) => name);
    for (let index = 0; index < keywords.length; index += 1) {
      if (flags & (1 << (index + KEYWORD_SHIFT))) names.push(keywords[index]!);
    }
    const bytes = Buffer.from(`(${names.join(" ")})`, "latin1");
    if (this.#names.size >= MAX_NAMED_WORDS) this.#names = new Map();
    this.#names.set(flags, bytes);
    return bytes;
  }

  /** The FLAGS response: every flag this mailbox knows. */
  applicableFlags(): string {
    return [
      "\\Answered",
      "\\Flagged",
      "\\Deleted",
      "\\Seen",
      "\\Draft",
      ...this.mailbox.view().keywords,
    ].join(" ");
  }

  /** What a client may change for good; keywords of its own where it may set any (RFC 4314 §5.2). */
  permanentFlags(): string {
    if (this.readOnly) return "";
    const flags = this.applicableFlags()
      .split(" ")
      .filter((flag) => this.may(rightFor(flag)));
    return [...flags, ...(this.may("w") ? ["\\*"] : [])].join(" ");
  }

  /** Tells a client that does not know them of new keywords, before a FETCH shows one. */
  writeNewKeywords(out: Output): void {
    const { keywords } = this.mailbox.view();
    if (keywords.length === this.#keywordsShown) return;
    this.#keywordsShown = keywords.length;
    out.text(`* FLAGS (${this.applicableFlags()})\r\n`);
    if (!this.readOnly) out.text(`* OK [PERMANENTFLAGS (${this.permanentFlags()})] Flags permitted\r\n`);
  }

  /**
   * Positions of a set, by sequence number or UID. A number the client cannot know is a GrammarError
   * (RFC 9051 §9 seq-number); UIDs that do not exist are passed over.
   */
  resolve(set: SequenceSet, byUid: boolean, saved: readonly number[]): Positions {
    const { known } = this;
    if (set.kind === "saved") return this.positionsOf(saved);
    if (byUid) {
      if (known.count === 0) return [];
      const ranges = normalize(set.ranges, known.uids[known.count - 1]!);
      const found: [number, number][] = [];
      for (const [first, last] of ranges) {
        const from = lowerBound(known.uids, known.count, first);
        const to = lowerBound(known.uids, known.count, last + 1) - 1;
        if (from <= to) found.push([from, to]);
      }
      return found;
    }
    if (known.count === 0) {
      // `1:*` on an empty mailbox is what many clients send; it means nothing, not an error.
      if (set.ranges.every(([first, second]) => first === LARGEST || second === LARGEST)) return [];
      throw new GrammarError("the mailbox has no messages");
    }
    const ranges = normalize(set.ranges, known.count);
    if (ranges.length > 0 && ranges[ranges.length - 1]![1] > known.count) {
      throw new GrammarError(`there are only ${known.count} messages`);
    }
    return ranges.map(([first, last]) => [first - 1, last - 1]);
  }

  /** The same for SEARCH, where a number without a message is merely one that is not found. */
  resolveFound(set: SequenceSet, byUid: boolean, saved: readonly number[]): Positions {
    const { count } = this.known;
    if (byUid || set.kind === "saved") return this.resolve(set, byUid, saved);
    return normalize(set.ranges, count).flatMap(([first, last]): NumberRange[] =>
      first > count || last < 1 ? [] : [[Math.max(first, 1) - 1, Math.min(last, count) - 1]],
    );
  }

  /** Positions of ascending UIDs; those that are gone are passed over. */
  positionsOf(uids: readonly number[]): Positions {
    const found: [number, number][] = [];
    for (const uid of uids) {
      const position = positionOf(this.known, uid);
      if (position < 0) continue;
      const last = found[found.length - 1];
      if (last && last[1] === position - 1) last[1] = position;
      else found.push([position, position]);
    }
    return found;
  }

  uidsOf(positions: Positions): number[] {
    const uids: number[] = [];
    for (const [first, last] of positions) {
      for (let position = first; position <= last; position += 1) uids.push(this.known.uids[position]!);
    }
    return uids;
  }

  /** Tells the client what has changed. `expunges`: whether sequence numbers may change now. */
  synchronize(out: Output, style: UpdateStyle, expunges: boolean): void {
    const { known } = this;
    const latest = this.mailbox.view();
    if (latest === known && this.#told.size === 0) return;
    this.writeNewKeywords(out);
    let gone: number[] | undefined;
    let oldCount = known.count;
    if (latest.uids !== known.uids) {
      gone = goneUids(known, latest);
      if (gone.length > 0 && !expunges) {
        if (style.flags) this.#tellFlagsOnly(out, style, latest);
        return;
      }
      this.#writeExpunges(out, style, gone);
      oldCount -= gone.length;
    }
    const before = this.known;
    const told = new Map(this.#told);
    this.known = latest;
    this.#told.clear();
    if (latest.count > oldCount) {
      this.#takeRecent(latest, oldCount);
      out.text(`* ${latest.count} EXISTS\r\n`);
      if (!style.rev2) out.text(`* ${this.#recent.size} RECENT\r\n`);
    }
    if (!style.flags || (before.flags === latest.flags && told.size === 0)) return;
    // Every message of `before` that is left stands at the same place or further to the front.
    let at = 0;
    for (let index = 0; index < before.count && at < oldCount; index += 1) {
      const uid = before.uids[index]!;
      if (latest.uids[at] !== uid) continue;
      const flags = latest.flags[at]! & ~Flag.Recent;
      const believed = told.size > 0 ? told.get(uid) : undefined;
      if (flags !== (believed ?? before.flags[index]! & ~Flag.Recent))
        this.#writeFlags(out, style, at, uid, flags, latest.modSeqs[at]!);
      at += 1;
    }
  }

  /** EXPUNGE is forbidden now: numbers stay, flags of what is still there are told. */
  #tellFlagsOnly(out: Output, style: UpdateStyle, latest: MailboxView): void {
    const { known } = this;
    let at = 0;
    for (let index = 0; index < known.count; index += 1) {
      const uid = known.uids[index]!;
      while (at < latest.count && latest.uids[at]! < uid) at += 1;
      if (latest.uids[at] !== uid) continue;
      const flags = latest.flags[at]! & ~Flag.Recent;
      if (flags === this.believedFlags(index)) continue;
      this.#told.set(uid, flags);
      this.#writeFlags(out, style, index, uid, flags, latest.modSeqs[at]!);
    }
  }

  #writeExpunges(out: Output, style: UpdateStyle, gone: readonly number[]): void {
    if (gone.length === 0) return;
    if (style.vanished) out.text(`* VANISHED ${formatSet(gone)}\r\n`);
    // From the back, so that each number is right when it is sent.
    else {
      for (let index = gone.length - 1; index >= 0; index -= 1) {
        out.text("* ");
        out.number(positionOf(this.known, gone[index]!) + 1);
        out.text(" EXPUNGE\r\n");
      }
    }
    if (this.#recent.size > 0) for (const uid of gone) this.#recent.delete(uid);
  }

  #writeFlags(
    out: Output,
    style: UpdateStyle,
    position: number,
    uid: number,
    flags: number,
    modSeq: number,
  ): void {
    beginFetch(out, style.uidOnly ? uid : position + 1, style.uidOnly);
    // RFC 7162 §3.2.4: a QRESYNC client gets the UID with it; any client may.
    if ((style.condstore || style.rev2) && !style.uidOnly) {
      out.text("UID ");
      out.number(uid);
      out.text(" ");
    }
    out.text("FLAGS ");
    out.bytes(this.flagNames(this.#recent.has(uid) ? flags | Flag.Recent : flags));
    if (style.condstore) {
      out.text(" MODSEQ (");
      out.number(modSeq);
      out.text(")");
    }
    out.text(")\r\n");
  }
}

/** `* 7 FETCH (`, or `* 1207 UIDFETCH (` where messages have no numbers (RFC 9586 §3.1). */
export function beginFetch(out: Output, number: number, uidOnly: boolean): void {
  out.text("* ");
  out.number(number);
  out.text(uidOnly ? " UIDFETCH (" : " FETCH (");
}

/** UIDs of `known` that `latest` has not; ascending. */
function goneUids(known: MailboxView, latest: MailboxView): number[] {
  const gone: number[] = [];
  let at = 0;
  for (let index = 0; index < known.count; index += 1) {
    const uid = known.uids[index]!;
    while (at < latest.count && latest.uids[at]! < uid) at += 1;
    if (at >= latest.count || latest.uids[at] !== uid) gone.push(uid);
    else at += 1;
  }
  return gone;
}

/** The first position whose UID is not below `uid`. */
function lowerBound(uids: Uint32Array, count: number, uid: number): number {
  let low = 0;
  let high = count;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (uids[middle]! < uid) low = middle + 1;
    else high = middle;
  }
  return low;
}
