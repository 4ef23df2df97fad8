/**
 * Which file each message of a mailbox is, relative to its folder: "new/<base>" or "cur/<base>:2,<letters>".
 *
 * What was there when the mailbox was opened lies packed in one Buffer (a hundred thousand names are then one
 * object, not as many strings), which is read when the first name is asked for: who selects a mailbox needs none. What
 * changed since is a map beside it.
 */
import { baseName } from "./file-name.ts";

const N = "n".charCodeAt(0);

/** Names one behind the other in latin1; name i goes from `offsets[i]` to `offsets[i + 1]`. */
export interface PackedNames {
  readonly uids: Uint32Array;
  readonly offsets: Uint32Array;
  readonly bytes: Buffer;
}
/** Names that are read when they are needed. */
export interface NamesAtHand {
  /** Of the messages whose file lies in `new`. */
  readonly inNew: Iterable<number>;
  load(): PackedNames;
}

export function namesAtHand(names: PackedNames): NamesAtHand {
  const { uids, offsets, bytes } = names;
  return { inNew: uids.filter((_, i) => bytes[offsets[i]!] === N), load: () => names };
}

/** Names as they follow each other. */
export function packNames(uids: Uint32Array, files: readonly string[]): PackedNames {
  const offsets = new Uint32Array(uids.length + 1);
  let length = 0;
  for (let i = 0; i < uids.length; i++) {
    length += files[i]!.length;
    offsets[i + 1] = length;
  }
  return { uids, offsets, bytes: Buffer.from(files.join(""), "latin1") };
}
const NONE = packNames(new Uint32Array(0), []);

export class MessageFiles {
  readonly #names: NamesAtHand;
  #loaded: PackedNames | undefined;
  /** Files that are new or elsewhere since; "" for one that is gone. */
  readonly #changed = new Map<number, string>();
  /** Base names that came since. */
  readonly #added = new Map<string, number>();
  /** Every base name; made when it is first asked for. */
  #byBase: Map<string, number> | undefined;
  readonly #inNew: Set<number>;

  constructor(names: NamesAtHand = namesAtHand(NONE)) {
    this.#names = names;
    this.#inNew = new Set(names.inNew);
  }

  get #packed(): PackedNames {
    this.#loaded ??= this.#names.load();
    return this.#loaded;
  }

  /** Messages whose file lies in `new`. */
  get inNew(): ReadonlySet<number> {
    return this.#inNew;
  }

  get(uid: number): string | undefined {
    const changed = this.#changed.get(uid);
    if (changed !== undefined) return changed === "" ? undefined : changed;
    const { uids, offsets, bytes } = this.#packed;
    let low = 0;
    let high = uids.length - 1;
    while (low <= high) {
      const middle = (low + high) >>> 1;
      const found = uids[middle]!;
      if (found === uid) return bytes.toString("latin1", offsets[middle]!, offsets[middle + 1]!);
      if (found < uid) low = middle + 1;
      else high = middle - 1;
    }
    return undefined;
  }

  set(uid: number, file: string): void {
    const base = baseName(file.slice(4));
    if (this.get(uid) === undefined) {
      this.#added.set(base, uid);
      this.#byBase?.set(base, uid);
    }
    this.#changed.set(uid, file);
    if (file.startsWith("new/")) this.#inNew.add(uid);
    else this.#inNew.delete(uid);
  }

  delete(uid: number): void {
    const file = this.get(uid);
    if (file === undefined) return;
    const base = baseName(file.slice(4));
    this.#added.delete(base);
    this.#byBase?.delete(base);
    this.#changed.set(uid, "");
    this.#inNew.delete(uid);
  }

  /** True when a message of this base name came since the mailbox was opened. Cheap, unlike `uidOf`. */
  wasAdded(base: string): boolean {
    return this.#added.has(base);
  }

  /** The UID of a base name. */
  uidOf(base: string): number | undefined {
    if (this.#byBase === undefined) {
      this.#byBase = new Map(this.#added);
      const { uids, offsets, bytes } = this.#packed;
      for (let i = 0; i < uids.length; i++) {
        if (this.#changed.get(uids[i]!) === "") continue;
        const file = bytes.toString("latin1", offsets[i]! + 4, offsets[i + 1]!);
        this.#byBase.set(baseName(file), uids[i]!);
      }
    }
    return this.#byBase.get(base);
  }

  /** The files of these UIDs, packed anew. */
  pack(uids: Uint32Array): PackedNames {
    return packNames(
      uids,
      Array.from(uids, (uid) => this.get(uid) ?? ""),
    );
  }
}
