/**
 * Searches that go on (CONTEXT=SEARCH, RFC 5267 §4.3): who asked with UPDATE hears of messages that come into
 * the result and leave it, until CANCELUPDATE or until the mailbox is closed.
 *
 * What has left because it is expunged is told before the EXPUNGE, under the number the client knows. What
 * others and the client itself changed is noted as it happens and judged again once it has been told, so a
 * change costs the search of the messages it touched.
 */
import { positionOf } from "../../store/mail-store.ts";
import type { SearchNode } from "../grammar/search-program.ts";
import { formatSet } from "../grammar/sequence-set.ts";
import { beginEsearch } from "../response/search-result.ts";
import type { Selected } from "../selected.ts";
import type { Session } from "../session.ts";
import { search } from "./matcher.ts";

/** Of one session; beyond them the client is told that it gets no updates (RFC 5267 §4.3.2). */
const MAX_CONTEXTS = 20;

interface Context {
  readonly tag: string;
  readonly byUid: boolean;
  readonly program: SearchNode;
  /** UIDs the client believes to be in the result. */
  readonly found: Set<number>;
}

export class SearchContexts {
  readonly #session: Session;
  readonly #box: Selected;
  readonly #contexts = new Map<string, Context>();
  /** UIDs that may be judged otherwise now. */
  #touched = new Set<number>();
  readonly #stop: () => void;

  constructor(session: Session) {
    this.#session = session;
    this.#box = session.box;
    this.#stop = this.#box.mailbox.onChange(({ added, flagged }) => {
      for (const uid of added) this.#touched.add(uid);
      for (const uid of flagged) this.#touched.add(uid);
    });
  }

  /** Whether the result is followed from now on. */
  follow(tag: string, byUid: boolean, program: SearchNode, positions: readonly number[]): boolean {
    if (this.#contexts.has(tag) || this.#contexts.size >= MAX_CONTEXTS) return false;
    const found = new Set(positions.map((position) => this.#box.known.uids[position]!));
    this.#contexts.set(tag, { tag, byUid, program, found });
    return true;
  }

  /** Ends what that tag asked for; false where it asked for nothing. */
  cancel(tag: string): boolean {
    return this.#contexts.delete(tag);
  }

  /** Before EXPUNGE is told. */
  tellLeaving(): void {
    const { known, mailbox } = this.#box;
    const latest = mailbox.view();
    if (latest.uids === known.uids) return;
    for (const context of this.#contexts.values()) {
      const gone = [...context.found].filter((uid) => positionOf(latest, uid) < 0);
      this.#tell(context, "REMOVEFROM", gone);
      for (const uid of gone) context.found.delete(uid);
    }
  }

  /** After changes have been told: what has come in, and what no longer matches. */
  async tellChanges(): Promise<void> {
    if (this.#touched.size === 0 || this.#contexts.size === 0) return;
    const { known } = this.#box;
    const uids = [...this.#touched].filter((uid) => positionOf(known, uid) >= 0).sort((a, b) => a - b);
    // What the client has not been told of yet waits.
    this.#touched = new Set([...this.#touched].filter((uid) => uid >= known.uidNext));
    if (uids.length === 0) return;
    const touched: SearchNode = {
      key: "uid",
      set: { kind: "ranges", ranges: uids.map((uid) => [uid, uid] as const) },
    };
    for (const context of this.#contexts.values()) {
      const matching = await search(this.#session, { key: "and", nodes: [touched, context.program] });
      if (this.#session.selected !== this.#box) return;
      const now = new Set(matching.map((position) => known.uids[position]!));
      const left = uids.filter((uid) => context.found.has(uid) && !now.has(uid));
      const came = uids.filter((uid) => now.has(uid) && !context.found.has(uid));
      this.#tell(context, "REMOVEFROM", left);
      this.#tell(context, "ADDTO", came);
      for (const uid of left) context.found.delete(uid);
      for (const uid of came) context.found.add(uid);
    }
  }

  /** RFC 5267 §4.3.4: position 0, for a search has no order. */
  #tell(context: Context, what: "ADDTO" | "REMOVEFROM", uids: readonly number[]): void {
    if (uids.length === 0) return;
    const { known } = this.#box;
    const numbers = context.byUid ? uids : uids.map((uid) => positionOf(known, uid) + 1);
    beginEsearch(this.#session, context);
    this.#session.out.text(` ${what} (0 ${formatSet([...numbers].sort((a, b) => a - b))})\r\n`);
  }

  close(): void {
    this.#stop();
    this.#contexts.clear();
  }
}
