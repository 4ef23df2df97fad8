/**
 * One message while it is being fetched: what has been loaded of it, and loading what items need.
 *
 * Everything is loaded before the first byte of its answer is written, so a message that vanished or cannot
 * be read is left out instead of breaking a line in the middle.
 */
import type { MessageContent } from "../../message/content.ts";
import { headerEnd } from "../../message/mime/fields.ts";
import { type MimePart, readStructure } from "../../message/mime/structure.ts";
import type { Selected } from "../selected.ts";

/** What an item needs, as bits. */
export const Need = {
  Nothing: 0,
  Header: 1,
  Content: 2,
  Structure: 4,
  SaveDate: 8,
  UsualFields: 16,
  /** Where the body begins; goes with Content. */
  HeaderEnd: 32,
} as const;

export class FetchMessage {
  readonly box: Selected;
  readonly position: number;
  readonly uid: number;
  /** The header block with its empty line (Need.Header), or of it what Need.UsualFields asks for. */
  header: Buffer = NOTHING;
  /** Bytes of the header block with its empty line (Need.HeaderEnd). */
  headerLength = 0;
  /** Need.Content. */
  content: MessageContent | undefined;
  /** Need.Structure. */
  structure: MimePart | undefined;
  /** Need.SaveDate; milliseconds since the epoch. */
  savedAt: number | undefined;
  #prepared: Map<object, unknown> | undefined;

  constructor(box: Selected, position: number) {
    this.box = box;
    this.position = position;
    this.uid = box.known.uids[position]!;
  }

  /** Loads what the bits ask for. Throws StoreError. */
  async load(needs: number): Promise<void> {
    const { mailbox } = this.box;
    if (needs & (Need.Content | Need.Structure)) {
      const content = await mailbox.read(this.uid);
      this.content = content;
      if (needs & Need.HeaderEnd) this.headerLength = await headerLengthOf(content);
      if (needs & Need.Structure) this.structure = await readStructure(content);
    }
    if (needs & Need.Header) this.header = await this.#loadHeader();
    else if (needs & Need.UsualFields)
      this.header = this.content?.buffer ? await this.#loadHeader() : await mailbox.readUsualFields(this.uid);
    if (needs & Need.SaveDate) this.savedAt = await mailbox.savedAt(this.uid);
  }

  async #loadHeader(): Promise<Buffer> {
    const bytes = this.content?.buffer;
    if (!bytes) return this.box.mailbox.readHeader(this.uid);
    const end = headerEnd(bytes);
    return end < 0 ? bytes : bytes.subarray(0, end);
  }

  /** Keeps what an item found while preparing, until it writes. */
  keep(item: object, value: unknown): void {
    this.#prepared ??= new Map();
    this.#prepared.set(item, value);
  }

  kept(item: object): unknown {
    return this.#prepared?.get(item);
  }

  /** Frees what was loaded. */
  async dispose(): Promise<void> {
    await this.content?.dispose();
    this.content = undefined;
  }
}

const NOTHING = Buffer.alloc(0);

/** Found without holding the header, which may be as large as a message may be. */
async function headerLengthOf(content: MessageContent): Promise<number> {
  if (content.buffer) {
    const end = headerEnd(content.buffer);
    return end < 0 ? content.size : end;
  }
  let before: Buffer = NOTHING;
  let at = 0;
  for await (const chunk of content.chunks()) {
    const bytes = before.length > 0 ? Buffer.concat([before, chunk]) : chunk;
    // Only the first bytes of a message can be an empty line by themselves.
    const end = at === 0 ? headerEnd(bytes) : bytes.indexOf(EMPTY_LINE) + EMPTY_LINE.length;
    if (end >= (at === 0 ? 0 : EMPTY_LINE.length)) return at - before.length + end;
    at += chunk.length;
    before = chunk.subarray(Math.max(0, chunk.length - EMPTY_LINE.length + 1));
  }
  return content.size;
}
const EMPTY_LINE = Buffer.from("\r\n\r\n");
