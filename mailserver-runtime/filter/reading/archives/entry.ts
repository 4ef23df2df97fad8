/** One file in an archive, as the archive tells it. */
export interface ArchiveEntry {
  /** Path as it stands there. */
  readonly name: string;
  readonly encrypted: boolean;
  /** Bytes in the archive and unpacked, where the archive says so. */
  readonly packed: number | undefined;
  readonly unpacked: number | undefined;
  /** Where its packed bytes begin, and how they are packed, where they can be read. */
  readonly data?: { readonly start: number; readonly method: "stored" | "deflated" };
}
/** Most entries that are listed of one archive. */
export const MAX_ENTRIES = 500;
