/**
 * What an archive holds, and the archives in it, within limits that no archive can exceed: so many levels, so many bytes
 * unpacked, so many entries. Only the beginning of an inner archive is unpacked, as far as its list of names may stand
 * there; a bomb is known by the sizes it tells and by what its beginning becomes.
 */
import { promisify } from "node:util";
import { gunzip, inflateRaw } from "node:zlib";
import { type FileKind, kindOfFile } from "../file-kind.ts";
import { type ArchiveEntry, MAX_ENTRIES } from "./entry.ts";
import { rarEntries } from "./rar.ts";
import { sevenZipEntries } from "./seven-zip.ts";
import { isTar, tarEntries } from "./tar.ts";
import { zipEntries } from "./zip.ts";

export interface ArchiveLook {
  /** Of all levels, the outer ones first. */
  readonly entries: readonly ArchiveEntry[];
  /** Archives in archives: 1 for one without. */
  readonly levels: number;
  /** It becomes far more than a person sends, when it is unpacked. */
  readonly isBomb: boolean;
}

const MAX_LEVELS = 4;
/** Bytes unpacked of one inner file, and of all of one message's archive. */
const MAX_UNPACKED = 256 * 1024;
const MAX_TOTAL = 1024 * 1024;
/** A file of so many times its packed size, and at least so large, is no document. */
const BOMB_RATIO = 150;
const BOMB_BYTES = 100 * 1024 * 1024;
const HUGE_BYTES = 4 * 1024 ** 3;

const inflate = promisify(inflateRaw) as (bytes: Buffer, options: object) => Promise<Buffer>;
const ungzip = promisify(gunzip) as (bytes: Buffer, options: object) => Promise<Buffer>;
const ARCHIVES: ReadonlySet<FileKind> = new Set<FileKind>(["zip", "rar", "7z", "gzip", "tar"]);
const NAMED = /\.(?:zip|rar|7z|gz|tgz|tar|jar|cab|ace|arj|z|bz2|xz)$/i;

export const isArchive = (kind: FileKind): boolean => ARCHIVES.has(kind);

/** Never throws for what the bytes are. */
export async function lookInto(head: Buffer): Promise<ArchiveLook> {
  const state = { left: MAX_TOTAL, entries: [] as ArchiveEntry[], levels: 0, isBomb: false };
  await look(head, 1, state);
  return state;
}

interface State {
  left: number;
  readonly entries: ArchiveEntry[];
  levels: number;
  isBomb: boolean;
}

async function look(head: Buffer, level: number, state: State): Promise<void> {
  const kind = kindOfFile(head);
  if (!isArchive(kind)) return;
  state.levels = Math.max(state.levels, level);
  if (kind === "gzip") {
    const inner = await unpacked(ungzip, head, state);
    if (inner !== undefined) await look(inner, isTar(inner) ? level : level + 1, state);
    return;
  }
  const entries = listed(kind, head);
  const total = entries.reduce((sum, { unpacked: size = 0 }) => sum + size, 0);
  const packed = entries.reduce((sum, { packed: size = 0 }) => sum + size, 0);
  if (total > HUGE_BYTES || (total > BOMB_BYTES && total > packed * BOMB_RATIO)) state.isBomb = true;
  for (const entry of entries) {
    if (state.entries.length >= MAX_ENTRIES) return;
    state.entries.push(entry);
    if (level >= MAX_LEVELS || entry.encrypted || entry.data === undefined || !NAMED.test(entry.name))
      continue;
    const { start, method } = entry.data;
    const bytes = head.subarray(start, start + Math.min(entry.packed ?? MAX_UNPACKED, MAX_UNPACKED));
    const inner = method === "stored" ? bytes : await unpacked(inflate, bytes, state);
    if (inner !== undefined) await look(inner, level + 1, state);
  }
}

function listed(kind: FileKind, head: Buffer): readonly ArchiveEntry[] {
  switch (kind) {
    case "zip":
      return zipEntries(head);
    case "rar":
      return rarEntries(head);
    case "7z":
      return sevenZipEntries(head);
    case "tar":
      return tarEntries(head);
    default:
      return [];
  }
}

/** The beginning of what packed bytes become, in the thread pool; more than the limit is a bomb where the bytes are few. */
async function unpacked(
  unpack: (bytes: Buffer, options: object) => Promise<Buffer>,
  bytes: Buffer,
  state: State,
): Promise<Buffer | undefined> {
  const room = Math.min(MAX_UNPACKED, state.left);
  if (room <= 0 || bytes.length === 0) return undefined;
  // So few packed bytes that all of them fit the limit only where they are no bomb: as many as give the limit are tried.
  for (let length = bytes.length; length >= 64; length = Math.floor(length / 4)) {
    try {
      const inner = await unpack(bytes.subarray(0, length), {
        maxOutputLength: room,
        // The bytes may end anywhere.
        finishFlush: 2,
      });
      state.left -= inner.length;
      return inner;
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== "ERR_BUFFER_TOO_LARGE") return undefined;
      if (room === MAX_UNPACKED && length * BOMB_RATIO < room) state.isBomb = true;
    }
  }
  return undefined;
}
