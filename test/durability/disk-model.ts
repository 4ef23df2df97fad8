/**
 * What a disk may hold after a power loss, by what POSIX promises and nothing more:
 *
 *   - bytes of a file that were written before an fsync or fdatasync of it began, once that has ended;
 *   - names that were made, removed or renamed before an fsync of their directory began, once that has ended.
 *
 * Of everything else any part may be there. A rename is one step (ext4, xfs and btrfs all promise that). The model is fed
 * with system calls and can be asked at any moment for a disk that lost all it may lose, one that lost nothing (a killed
 * process leaves that), or one in between.
 */
import * as fs from "node:fs";
import { dirname, join } from "node:path";
import { type Call, descriptorPath, type Moment, strings } from "./system-calls.ts";

type Write = { readonly at: number; readonly bytes: Buffer } | { readonly truncatedTo: number };

export class Inode {
  readonly isDirectory: boolean;
  /** Content, or names, before the first call. */
  readonly bytes: Buffer;
  readonly names = new Map<string, Inode>();
  readonly writes: Write[] = [];
  /** So many of the writes are durable. */
  synced = 0;
  size: number;

  constructor(isDirectory: boolean, bytes: Buffer = Buffer.alloc(0)) {
    this.isDirectory = isDirectory;
    this.bytes = bytes;
    this.size = bytes.length;
  }
  write(write: Write): void {
    this.writes.push(write);
    this.size =
      "truncatedTo" in write ? write.truncatedTo : Math.max(this.size, write.at + write.bytes.length);
  }
  /** The content after its first `count` writes. */
  content(count: number): Buffer {
    let content = this.bytes;
    for (const write of this.writes.slice(0, count)) {
      if ("truncatedTo" in write) {
        content = Buffer.concat([content, Buffer.alloc(Math.max(0, write.truncatedTo - content.length))]);
        content = content.subarray(0, write.truncatedTo);
        continue;
      }
      const size = Math.max(content.length, write.at + write.bytes.length);
      content = Buffer.concat([content, Buffer.alloc(size - content.length)]);
      write.bytes.copy(content, write.at);
    }
    return content;
  }
}

interface Place {
  readonly directory: Inode;
  readonly name: string;
}
/** One change of names. */
export interface Step {
  readonly inode: Inode;
  readonly from: Place | undefined;
  readonly to: Place | undefined;
  isDurable: boolean;
}
/** How a disk came out of it: which steps that need not be there are, and how much of a file's bytes. */
export interface Fate {
  readonly keeps: (step: Step, index: number) => boolean;
  readonly contentOf: (file: Inode) => Buffer;
}
export const worst: Fate = { keeps: () => false, contentOf: (file) => file.content(file.synced) };
export const best: Fate = { keeps: () => true, contentOf: (file) => file.content(file.writes.length) };

/** Path below the root → file. */
export type Disk = ReadonlyMap<string, Inode>;

export class DiskModel {
  readonly #root: string;
  readonly #top: Inode;
  /** Everything as a process sees it, by absolute path. */
  readonly #seen = new Map<string, Inode>();
  readonly #steps: Step[] = [];
  /** Where the next write to an open file goes. */
  readonly #positions = new Map<string, number>();
  readonly #syncs = new WeakMap<Call, () => void>();

  /** Takes what is below `root` now as durable; `parts` are the directories in it that matter. */
  constructor(root: string, parts: readonly string[]) {
    this.#root = root;
    this.#top = new Inode(true);
    this.#seen.set(root, this.#top);
    for (const part of parts) this.#take(join(root, part), this.#top, part);
  }
  #take(path: string, parent: Inode, name: string): void {
    const stats = fs.statSync(path, { throwIfNoEntry: false });
    if (stats === undefined || !(stats.isFile() || stats.isDirectory())) return;
    const inode = new Inode(stats.isDirectory(), stats.isFile() ? fs.readFileSync(path) : undefined);
    parent.names.set(name, inode);
    this.#seen.set(path, inode);
    if (stats.isDirectory())
      for (const child of fs.readdirSync(path)) this.#take(join(path, child), inode, child);
  }

  feed({ kind, call }: Moment): void {
    if (call.name === "fsync" || call.name === "fdatasync") {
      // What is durable at its end is what had been done at its beginning.
      if (kind === "begin") this.#syncs.set(call, this.#beginSync(descriptorPath(call.text)));
      else if (call.result === 0) this.#syncs.get(call)?.();
    } else if (kind === "end" && call.result >= 0) CALLS[call.name]?.(this, call);
  }
  #beginSync(path: string | undefined): () => void {
    const inode = path === undefined ? undefined : this.#seen.get(path);
    if (inode === undefined) return () => {};
    const writes = inode.writes.length;
    const steps = this.#steps.filter(
      (step) => !step.isDurable && (step.to ?? step.from)?.directory === inode,
    );
    return () => {
      inode.synced = Math.max(inode.synced, writes);
      for (const step of steps) step.isDurable = true;
    };
  }

  #place(path: string): Place | undefined {
    const directory = this.#seen.get(dirname(path));
    return directory === undefined ? undefined : { directory, name: path.slice(dirname(path).length + 1) };
  }
  open(path: string, descriptor: number, flags: string): void {
    const known = this.#seen.get(path);
    if (known === undefined && flags.includes("O_CREAT")) this.make(path, false);
    else if (known !== undefined && flags.includes("O_TRUNC") && known.size > 0)
      known.write({ truncatedTo: 0 });
    if (!flags.includes("O_APPEND")) this.#positions.set(`${descriptor} ${path}`, 0);
    else this.#positions.delete(`${descriptor} ${path}`);
  }
  make(path: string, isDirectory: boolean): void {
    const to = this.#place(path);
    if (to === undefined) return;
    const inode = new Inode(isDirectory);
    this.#seen.set(path, inode);
    this.#steps.push({ inode, from: undefined, to, isDurable: false });
  }
  write(path: string, descriptor: number, bytes: Buffer, at: number | undefined): void {
    const file = this.#seen.get(path);
    if (file === undefined) return;
    const key = `${descriptor} ${path}`;
    const position = at ?? this.#positions.get(key);
    file.write({ at: position ?? file.size, bytes });
    if (at === undefined && position !== undefined) this.#positions.set(key, position + bytes.length);
  }
  truncate(path: string, length: number): void {
    this.#seen.get(path)?.write({ truncatedTo: length });
  }
  link(from: string, to: string): void {
    const inode = this.#seen.get(from);
    const place = this.#place(to);
    if (inode === undefined || place === undefined) return;
    this.#seen.set(to, inode);
    this.#steps.push({ inode, from: undefined, to: place, isDurable: false });
  }
  unlink(path: string): void {
    const inode = this.#seen.get(path);
    const place = this.#place(path);
    if (inode === undefined || place === undefined) return;
    this.#seen.delete(path);
    this.#steps.push({ inode, from: place, to: undefined, isDurable: false });
  }
  rename(from: string, to: string): void {
    const inode = this.#seen.get(from);
    const [source, target] = [this.#place(from), this.#place(to)];
    if (inode === undefined || source === undefined || target === undefined) return;
    for (const [path, moved] of [...this.#seen])
      if (path === from || (inode.isDirectory && path.startsWith(`${from}/`))) {
        this.#seen.delete(path);
        this.#seen.set(to + path.slice(from.length), moved);
      }
    this.#steps.push({ inode, from: source, to: target, isDurable: false });
  }

  /** The files that a disk with this fate has. */
  disk({ keeps }: Fate): Disk {
    const names = new Map<Inode, Map<string, Inode>>();
    const of = (directory: Inode): Map<string, Inode> => {
      const found = names.get(directory) ?? new Map(directory.names);
      names.set(directory, found);
      return found;
    };
    for (const [index, step] of this.#steps.entries()) {
      if (!step.isDurable && !keeps(step, index)) continue;
      const { inode, from, to } = step;
      if (from !== undefined && of(from.directory).get(from.name) === inode)
        of(from.directory).delete(from.name);
      if (to !== undefined) of(to.directory).set(to.name, inode);
    }
    const disk = new Map<string, Inode>();
    const walk = (directory: Inode, path: string): void => {
      for (const [name, inode] of of(directory)) {
        disk.set(path + name, inode);
        if (inode.isDirectory) walk(inode, `${path}${name}/`);
      }
    };
    walk(this.#top, "");
    return disk;
  }
  get stepCount(): number {
    return this.#steps.length;
  }
  /** Steps and bytes that a power loss now could take. */
  get atRisk(): { readonly steps: number; readonly files: number } {
    const files = [...this.#seen.values()].filter((inode) => inode.synced < inode.writes.length);
    return { steps: this.#steps.filter((step) => !step.isDurable).length, files: files.length };
  }

  /** Writes such a disk below another root. */
  lay(root: string, fate: Fate): void {
    fs.mkdirSync(root, { recursive: true });
    for (const [path, inode] of this.disk(fate)) {
      if (inode.isDirectory) fs.mkdirSync(join(root, path), { recursive: true, mode: 0o700 });
      else fs.writeFileSync(join(root, path), fate.contentOf(inode), { mode: 0o600 });
    }
  }
  get root(): string {
    return this.#root;
  }
}

type Handler = (model: DiskModel, call: Call) => void;
const path = (text: string, index = 0): string => strings(text)[index]?.toString() ?? "";
const descriptor = (text: string): number => Number.parseInt(text, 10);
/** The last number of the arguments. */
const lastNumber = (text: string): number => Number(/(\d+)$/.exec(text)?.[1]);
const written = (text: string, count: number): Buffer => Buffer.concat(strings(text)).subarray(0, count);
function write(model: DiskModel, text: string, count: number, at: number | undefined): void {
  const file = descriptorPath(text);
  if (file?.startsWith(`${model.root}/`)) model.write(file, descriptor(text), written(text, count), at);
}

/** What each call does; paths are absolute in this server. */
const CALLS: Readonly<Record<string, Handler>> = {
  openat: (model, { text, result, opened }) => model.open(opened ?? path(text), result, text),
  write: (model, { text, result }) => write(model, text, result, undefined),
  writev: (model, { text, result }) => write(model, text, result, undefined),
  pwrite64: (model, { text, result }) => write(model, text, result, lastNumber(text)),
  pwritev: (model, { text, result }) => write(model, text, result, lastNumber(text)),
  ftruncate: (model, { text }) => model.truncate(descriptorPath(text) ?? "", lastNumber(text)),
  rename: (model, { text }) => model.rename(path(text, 0), path(text, 1)),
  link: (model, { text }) => model.link(path(text, 0), path(text, 1)),
  unlink: (model, { text }) => model.unlink(path(text)),
  mkdir: (model, { text }) => model.make(path(text), true),
  rmdir: (model, { text }) => model.unlink(path(text)),
  unlinkat: (model, { text }) =>
    model.unlink(join(/AT_FDCWD/.test(text) ? "" : (descriptorPath(text) ?? ""), path(text))),
};
/** Calls that would change files in a way the model does not follow. */
export const NOT_FOLLOWED =
  /^(open|creat|pwritev2|truncate|copy_file_range|sendfile|renameat2?|linkat|mkdirat|io_uring_\w+)$/;
