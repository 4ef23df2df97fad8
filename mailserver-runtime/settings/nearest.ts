/** The known word that somebody most likely meant. */

/**
 * The candidate with the fewest single-letter changes (insert, delete, replace, swap of neighbours) from
 * `word`, any case; undefined when nothing is near enough to be a guess worth printing.
 */
export function nearest(word: string, candidates: Iterable<string>): string | undefined {
  // Longer than any known word: not a slip of the finger, and the table below would be large.
  if (word.length > 100) return undefined;
  let best: { readonly candidate: string; readonly changes: number } | undefined;
  for (const candidate of candidates) {
    const changes = distance(word.toLowerCase(), candidate.toLowerCase());
    if (changes <= Math.max(2, Math.floor(candidate.length / 3)) && changes < (best?.changes ?? Infinity))
      best = { candidate, changes };
  }
  return best?.candidate;
}

/** Optimal string alignment distance. */
function distance(a: string, b: string): number {
  let before: number[] = [];
  let previous = Array.from({ length: b.length + 1 }, (_, column) => column);
  for (let row = 1; row <= a.length; row++) {
    const current = [row];
    for (let column = 1; column <= b.length; column++) {
      const same = a[row - 1] === b[column - 1] ? 0 : 1;
      let least = Math.min(previous[column]! + 1, current[column - 1]! + 1, previous[column - 1]! + same);
      if (row > 1 && column > 1 && a[row - 1] === b[column - 2] && a[row - 2] === b[column - 1])
        least = Math.min(least, before[column - 2]! + 1);
      current.push(least);
    }
    before = previous;
    previous = current;
  }
  return previous[b.length]!;
}
