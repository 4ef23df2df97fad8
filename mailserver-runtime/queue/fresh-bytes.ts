/** Bytes of messages in memory by identifier, and how many there are. */
export class FreshBytes {
  readonly #pieces = new Map<string, readonly Buffer[]>();
  /** Octets of all. */
  size = 0;

  get(id: string): readonly Buffer[] | undefined {
    return this.#pieces.get(id);
  }

  set(id: string, pieces: readonly Buffer[]): void {
    this.drop(id);
    this.#pieces.set(id, pieces);
    for (const piece of pieces) this.size += piece.length;
  }

  drop(id: string): void {
    for (const piece of this.#pieces.get(id) ?? []) this.size -= piece.length;
    this.#pieces.delete(id);
  }
}
