/** A file full of mistakes must not fill the log and every status answer: the first ones are told, the rest counted. */

/** The first `limit` problems, and one more that says how many there are beyond. */
export function firstProblems<P extends { readonly reason: string }>(
  problems: readonly P[],
  limit: number,
): readonly P[] {
  const next = problems[limit];
  if (next === undefined) return problems;
  const more = `${next.reason} (and ${problems.length - limit - 1} more problems)`;
  return [...problems.slice(0, limit), { ...next, reason: more }];
}
