/**
 * The text index of a mailbox: which messages a search for words need not read.
 *
 * It keeps a signature for each message (`signature.ts`) in the store's digests, and answers with the messages
 * that certainly do not match; every other one is read as without an index, so a search finds exactly what it
 * finds without. A mailbox gets its index when its text is first searched; from then on messages are added
 * in the background, as they come or when the mailbox is opened again. What is not in it is read.
 */
import { setTimeout as delay } from "node:timers/promises";
import type { MessageContent } from "../../message/content.ts";
import { FieldCursor, headerEnd } from "../../message/mime/fields.ts";
import { readStructure } from "../../message/mime/structure.ts";
import type { Log } from "../../net/log.ts";
import {
  type Mailbox,
  type MailboxView,
  type MessageDigests,
  positionOf,
  StoreError,
} from "../../store/mail-store.ts";
import { GuardedMailbox } from "../access/guarded-mailbox.ts";
import type { SearchNode } from "../grammar/search-program.ts";
import { digestOf, mayHold, TokenSet, tokensOf } from "./signature.ts";
import { fieldTexts, someText } from "./text.ts";

/** A smaller mailbox is searched as quickly without. */
const WORTH_IT = 100;
/** Work of this long, then a rest of the same length: clients come first (milliseconds). */
const SLICE = 4;
/** Of a message with more text (characters) only an entry is made that rules nothing out. */
const MAX_TEXT = 8 * 1024 * 1024;
/** Enough of a chunk for every triple that lies across its end, whatever folding does to it. */
const OVERLAP = 64;

/** The two filters of a digest. */
const TEXT = 0;
const FIELDS = 1;
const FILTERS = 2;
/** Header fields with tokens of their own; others are read. Their places are part of the format. */
const INDEXED_FIELDS = [
  "subject",
  "from",
  "to",
  "cc",
  "bcc",
  "sender",
  "reply-to",
  "message-id",
  "in-reply-to",
  "references",
  "list-id",
].map((name, index) => ({ name, bytes: Buffer.from(name, "latin1"), salt: (index + 1) * 0x01000193 }));

export interface Question {
  readonly node: SearchNode;
  /** The header field that is asked for, in lower case; undefined for the message's text. */
  readonly field: string | undefined;
  /** Folded. */
  readonly wanted: string;
}

const indexes = new WeakMap<Mailbox, TextIndex>();

/** The index of a mailbox whose store keeps digests. */
export function textIndexOf(mailbox: Mailbox, log: Log): TextIndex | undefined {
  const inner = mailbox instanceof GuardedMailbox ? mailbox.unguarded : mailbox;
  if (!inner.digests) return undefined;
  let index = indexes.get(inner);
  if (!index) {
    index = new TextIndex(inner, inner.digests, log);
    indexes.set(inner, index);
  }
  return index;
}

export class TextIndex {
  readonly #mailbox: Mailbox;
  readonly #digests: MessageDigests;
  readonly #log: Log;
  #building: Promise<void> | undefined;
  #followed = false;
  /** Messages came while it was being built. */
  #again = false;

  constructor(mailbox: Mailbox, digests: MessageDigests, log: Log) {
    this.#mailbox = mailbox;
    this.#digests = digests;
    this.#log = log;
  }

  /** The mailbox was opened: what came since is added, if it has an index. */
  async opened(): Promise<void> {
    if (!this.#followed && (await this.#digests.begun())) this.#follow();
  }

  /** For each question it can say something about: 1 at the positions of `view` that do not match. */
  async ruleOut(
    view: MailboxView,
    questions: readonly Question[],
  ): Promise<ReadonlyMap<SearchNode, Uint8Array>> {
    const asked = questions.flatMap((question) => {
      const tokens = tokensFor(question);
      if (!tokens) return [];
      const which = question.field === undefined ? TEXT : FIELDS;
      return [{ node: question.node, which, tokens, out: new Uint8Array(view.count) }];
    });
    if (asked.length === 0 || view.count < WORTH_IT) return new Map();
    this.#follow();
    let position = 0;
    try {
      await this.#digests.scan((uid, words, at) => {
        // Mostly they stand in the order of their UIDs.
        if (view.uids[position] !== uid) position = positionOf(view, uid);
        if (position >= 0 && position < view.count)
          for (const { which, tokens, out } of asked)
            if (!mayHold(words, at, which, FILTERS, tokens)) out[position] = 1;
        position += 1;
      });
    } catch (error) {
      this.#log.warn({ err: error, mailbox: this.#mailbox.name }, "the index of texts could not be read");
      return new Map();
    }
    return new Map(asked.map(({ node, out }) => [node, out]));
  }

  /** Resolves when nothing is missing that was there when it was called. */
  async complete(): Promise<void> {
    this.#follow();
    await this.#building;
  }

  #follow(): void {
    if (!this.#followed) {
      this.#followed = true;
      this.#mailbox.onChange(({ added }) => {
        if (added.length > 0) this.#build();
      });
    }
    this.#build();
  }

  #build(): void {
    if (this.#building) {
      this.#again = true;
      return;
    }
    this.#again = false;
    this.#building = inTurn(() => this.#addMissing())
      .catch((error: unknown) =>
        this.#log.warn({ err: error, mailbox: this.#mailbox.name }, "a mailbox's texts could not be indexed"),
      )
      .finally(() => {
        this.#building = undefined;
        if (this.#again) this.#build();
      });
  }

  async #addMissing(): Promise<void> {
    const view = this.#mailbox.view();
    const there = await this.#digests.uids();
    if (there.size === 0 && view.count < WORTH_IT) return;
    const rest = new Rest();
    for (let position = 0; position < view.count && !this.#digests.closed; position += 1) {
      const uid = view.uids[position]!;
      if (there.has(uid)) continue;
      await rest.step();
      try {
        await this.#digests.keep(uid, await digestFor(this.#mailbox, uid, rest));
      } catch (error) {
        // It is gone, or cannot be read: who searches finds out.
        if (!(error instanceof StoreError)) throw error;
      }
    }
  }
}

function tokensFor({ field, wanted }: Question): Uint32Array | undefined {
  let salt = 0;
  if (field !== undefined) {
    const row = INDEXED_FIELDS.find(({ name }) => name === field);
    if (!row) return undefined;
    ({ salt } = row);
  }
  const tokens = tokensOf(wanted, salt);
  return tokens.length > 0 ? tokens : undefined;
}

async function digestFor(mailbox: Mailbox, uid: number, rest: Rest): Promise<Uint32Array> {
  const content = await mailbox.read(uid);
  try {
    const header = await headerOf(mailbox, uid, content);
    return digestOf([await textTokens(content, rest), fieldTokens(header)]);
  } finally {
    await content.dispose();
  }
}

async function headerOf(mailbox: Mailbox, uid: number, { buffer }: MessageContent): Promise<Buffer> {
  if (!buffer) return mailbox.readHeader(uid);
  const end = headerEnd(buffer);
  return end < 0 ? buffer : buffer.subarray(0, end);
}

async function textTokens(content: MessageContent, rest: Rest): Promise<TokenSet> {
  const tokens = new TokenSet();
  const structure = await readStructure(content);
  let seen = 0;
  const searched = { content, scope: "text", overlap: OVERLAP, pause: () => rest.step() } as const;
  const overflowed = await someText(searched, structure, (text) => {
    seen += text.length;
    tokens.add(text);
    return seen > MAX_TEXT || tokens.overflowed;
  });
  if (overflowed) tokens.overflowed = true;
  return tokens;
}

function fieldTokens(header: Buffer): TokenSet {
  const tokens = new TokenSet();
  const cursor = new FieldCursor(header);
  while (cursor.next() && !tokens.overflowed) {
    const row = INDEXED_FIELDS.find(({ bytes }) => cursor.is(bytes));
    if (row) for (const text of fieldTexts(row.name, cursor.value())) tokens.add(text, row.salt);
  }
  return tokens;
}

/** One mailbox at a time, over all accounts. */
let queue: Promise<unknown> = Promise.resolve();
function inTurn(work: () => Promise<void>): Promise<void> {
  const result = queue.then(work);
  queue = result.catch(() => undefined);
  return result;
}

/** Gives way after each slice of work. */
class Rest {
  #begun = performance.now();

  step(): Promise<void> | undefined {
    if (performance.now() - this.#begun < SLICE) return undefined;
    return delay(SLICE).then(() => {
      this.#begun = performance.now();
    });
  }
}
