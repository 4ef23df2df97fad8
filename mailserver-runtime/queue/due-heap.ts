/** A binary heap of things by the time they are due. A thing that moves is added again; whoever takes it out sees by its own time whether it still counts. */
export class DueHeap<T> {
  readonly #items: { readonly at: number; readonly value: T }[] = [];

  get size(): number {
    return this.#items.length;
  }

  /** When the first is due; undefined when nothing is. */
  get first(): number | undefined {
    return this.#items[0]?.at;
  }

  add(at: number, value: T): void {
    const items = this.#items;
    const item = { at, value };
    let index = items.length;
    while (index > 0) {
      const parent = (index - 1) >> 1;
      const above = items[parent]!;
      if (above.at <= at) break;
      items[index] = above;
      index = parent;
    }
    items[index] = item;
  }

  /** Takes the first when it is due by `now`. */
  take(now: number): { readonly at: number; readonly value: T } | undefined {
    const items = this.#items;
    const first = items[0];
    if (first === undefined || first.at > now) return undefined;
    const last = items.pop()!;
    if (items.length > 0) this.#sink(last);
    return first;
  }

  #sink(item: { readonly at: number; readonly value: T }): void {
    const items = this.#items;
    let index = 0;
    for (;;) {
      let child = 2 * index + 1;
      if (child >= items.length) break;
      if (child + 1 < items.length && items[child + 1]!.at < items[child]!.at) child += 1;
      if (items[child]!.at >= item.at) break;
      items[index] = items[child]!;
      index = child;
    }
    items[index] = item;
  }
}
