/**
 * What has been learnt: for each feature, in how many spam and in how many ham messages it stood.
 *
 * One table with open addressing in three typed arrays, eight bytes a slot; the file is the table as it lies
 * in memory behind a header, with a checksum over all of it, so it is read in milliseconds and can be copied.
 * Its size is bounded: a full table forgets what it saw only once, and counts are halved before they overflow,
 * so that what is new weighs more than what was long ago.
 */
import { crc32 } from "node:zlib";
import { type Features, featureKinds } from "./tokens.ts";

export type MessageClass = "spam" | "ham";

/** Slots at the beginning; a power of two, as every later size. */
const FIRST_SLOTS = 1 << 12;
/** Slots of the largest table: 16 MiB and 1.5 million features. A user's own is 4 MiB. */
export const MAX_SLOTS = 1 << 21;
export const MAX_USER_SLOTS = 1 << 19;
/** The table is never fuller than this. */
const LOAD = 0.72;
/** So many messages of one class halve all counts; well below what sixteen bits hold. */
const HALVE_AT = 50_000;

const MAGIC = Buffer.from("MKBAYES1", "latin1");
/** Magic, checksum, slots, features, spam messages, ham messages. */
const HEADER = MAGIC.length + 5 * 4;
const SLOT_BYTES = 8;

export class Model {
  #keys: Uint32Array<ArrayBuffer>;
  #spam: Uint16Array<ArrayBuffer>;
  #ham: Uint16Array<ArrayBuffer>;
  #features = 0;
  #messages = { spam: 0, ham: 0 };
  readonly #maxSlots: number;

  constructor(maxSlots: number = MAX_SLOTS) {
    this.#maxSlots = maxSlots;
    this.#keys = new Uint32Array(FIRST_SLOTS);
    this.#spam = new Uint16Array(FIRST_SLOTS);
    this.#ham = new Uint16Array(FIRST_SLOTS);
  }

  /** Messages learnt of each class (halved with the counts). */
  get messages(): Readonly<Record<MessageClass, number>> {
    return this.#messages;
  }
  get features(): number {
    return this.#features;
  }

  /** Counts a message's features for a class. */
  learn(features: Features, as: MessageClass): void {
    for (const kind of featureKinds) for (const feature of features[kind]) this.#add(feature, as);
    this.#messages[as] += 1;
    if (this.#messages[as] >= HALVE_AT) this.#halve();
  }

  /** Takes back what `learn` counted; a feature that was forgotten since stays forgotten. */
  unlearn(features: Features, as: MessageClass): void {
    const counts = as === "spam" ? this.#spam : this.#ham;
    for (const kind of featureKinds)
      for (const feature of features[kind]) {
        const slot = this.#slotOf(feature);
        if (this.#keys[slot] === feature && counts[slot]! > 0) counts[slot]! -= 1;
      }
    this.#messages[as] = Math.max(0, this.#messages[as] - 1);
  }

  /** Calls `each` for every feature that is known, with its two counts. */
  look(features: Uint32Array, each: (spam: number, ham: number) => void): void {
    for (const feature of features) {
      const slot = this.#slotOf(feature);
      if (this.#keys[slot] === feature) each(this.#spam[slot]!, this.#ham[slot]!);
    }
  }

  /** The model as a file's content. */
  toBytes(): Buffer {
    const slots = this.#keys.length;
    const bytes = Buffer.alloc(HEADER + slots * SLOT_BYTES);
    MAGIC.copy(bytes);
    [slots, this.#features, this.#messages.spam, this.#messages.ham].forEach((value, index) => {
      bytes.writeUInt32LE(value, MAGIC.length + 4 + index * 4);
    });
    Buffer.from(this.#keys.buffer).copy(bytes, HEADER);
    Buffer.from(this.#spam.buffer).copy(bytes, HEADER + slots * 4);
    Buffer.from(this.#ham.buffer).copy(bytes, HEADER + slots * 6);
    bytes.writeUInt32LE(crc32(bytes.subarray(MAGIC.length + 4)), MAGIC.length);
    return bytes;
  }

  /** Reads a file's content; a string says what is wrong with it. */
  static fromBytes(bytes: Buffer, maxSlots: number = MAX_SLOTS): Model | string {
    if (bytes.length < HEADER || !bytes.subarray(0, MAGIC.length).equals(MAGIC))
      return "it is no classifier model";
    const [slots, features, spam, ham] = [0, 1, 2, 3].map((index) =>
      bytes.readUInt32LE(MAGIC.length + 4 + index * 4),
    ) as [number, number, number, number];
    if (slots < FIRST_SLOTS || slots > maxSlots || (slots & (slots - 1)) !== 0)
      return `it says it has ${slots} slots`;
    if (bytes.length !== HEADER + slots * SLOT_BYTES)
      return `it has ${bytes.length} bytes where ${HEADER + slots * SLOT_BYTES} belong`;
    if (crc32(bytes.subarray(MAGIC.length + 4)) !== bytes.readUInt32LE(MAGIC.length))
      return "its checksum is wrong";
    if (features > slots * LOAD) return `it says it has ${features} features in ${slots} slots`;
    const model = new Model(maxSlots);
    // Copied, because the arrays need alignment and must not share the pool of small buffers.
    const table = new Uint8Array(bytes.subarray(HEADER)).buffer;
    model.#keys = new Uint32Array(table.slice(0, slots * 4));
    model.#spam = new Uint16Array(table.slice(slots * 4, slots * 6));
    model.#ham = new Uint16Array(table.slice(slots * 6, slots * 8));
    model.#features = features;
    model.#messages = { spam, ham };
    return model;
  }

  #add(feature: number, as: MessageClass): void {
    let slot = this.#slotOf(feature);
    if (this.#keys[slot] !== feature) {
      if (this.#features + 1 > this.#keys.length * LOAD) {
        this.#makeRoom();
        slot = this.#slotOf(feature);
      }
      this.#keys[slot] = feature;
      this.#features += 1;
    }
    const counts = as === "spam" ? this.#spam : this.#ham;
    if (counts[slot]! < 0xffff) counts[slot]! += 1;
  }

  /** Where the feature stands, or the empty slot where it belongs. */
  #slotOf(feature: number): number {
    const mask = this.#keys.length - 1;
    let slot = (Math.imul(feature, 0x9e3779b1) >>> 0) & mask;
    while (this.#keys[slot] !== 0 && this.#keys[slot] !== feature) slot = (slot + 1) & mask;
    return slot;
  }

  #makeRoom(): void {
    if (this.#keys.length < this.#maxSlots) {
      this.#rebuild(this.#keys.length * 2, 0);
      return;
    }
    // Features seen more and more often give way, until a quarter of the table is free again.
    for (let least = 1; this.#features > this.#keys.length * LOAD * 0.75; least += least)
      this.#rebuild(this.#keys.length, least);
  }

  /** Moves what was counted more than `least` times into a table of that many slots. */
  #rebuild(slots: number, least: number): void {
    const [keys, spam, ham] = [this.#keys, this.#spam, this.#ham];
    this.#keys = new Uint32Array(slots);
    this.#spam = new Uint16Array(slots);
    this.#ham = new Uint16Array(slots);
    this.#features = 0;
    for (let old = 0; old < keys.length; old += 1) {
      if (keys[old] === 0 || spam[old]! + ham[old]! <= least) continue;
      const slot = this.#slotOf(keys[old]!);
      this.#keys[slot] = keys[old]!;
      this.#spam[slot] = spam[old]!;
      this.#ham[slot] = ham[old]!;
      this.#features += 1;
    }
  }

  #halve(): void {
    for (let slot = 0; slot < this.#keys.length; slot += 1) {
      this.#spam[slot]! >>= 1;
      this.#ham[slot]! >>= 1;
    }
    this.#messages = { spam: this.#messages.spam >> 1, ham: this.#messages.ham >> 1 };
    this.#rebuild(this.#keys.length, 0);
  }
}
