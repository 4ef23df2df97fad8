/** What a message talks about, by the phrases of unwanted mail (wording/themes.ts): a word before anything is learnt. */
import type { Check } from "../check.ts";
import type { Finding } from "../pipeline.ts";
import { type Readable, readableValue } from "../reading/readable.ts";
import { PhraseFinder } from "../wording/phrase-finder.ts";
import { themes } from "../wording/themes.ts";
import { wordsOf } from "../wording/words.ts";

/** Words of the subject and of the text that are looked at. */
const MAX_SUBJECT = 60;
const MAX_WORDS = 3000;
const MAX_TEXT = 32 * 1024;
/** Themes together: words alone refuse nobody. */
const MOST = 8;

const rows = themes.flatMap((theme) =>
  theme.phrases.flatMap(([points, list]) =>
    list.split(",").map((phrase) => ({ theme, points, phrase: phrase.trim() })),
  ),
);
const finder = new PhraseFinder();
for (const [number, { phrase }] of rows.entries()) finder.add(phrase, number);

export const wordingCheck: Check = {
  name: "wording",
  timeLimit: 10_000,
  onFailure: "accept",
  async run(_message, facts) {
    return { findings: wordingOf(await facts.readable()) };
  },
};

export function wordingOf({ headers, texts }: Readable): Finding[] {
  const words = wordsOf(readableValue(headers, "subject"), MAX_SUBJECT);
  // The same text stands in a message twice, plain and as HTML; the first is enough.
  const [text] = texts;
  // A word that nothing continues keeps phrases from beginning in the subject and ending in the text.
  if (text !== undefined) words.push("\0", ...wordsOf(text.text.slice(0, MAX_TEXT), MAX_WORDS));
  const sums = new Map<(typeof themes)[number], { points: number; said: string[] }>();
  for (const [number, at] of finder.find(words)) {
    const { theme, points } = rows[number]!;
    const sum = sums.get(theme) ?? { points: 0, said: [] };
    sum.points += points;
    if (sum.said.length < 5) sum.said.push(wordsFrom(words, at));
    sums.set(theme, sum);
  }
  let left = MOST;
  return [...sums]
    .sort(([, one], [, other]) => other.points - one.points)
    .flatMap(([{ name, about, most }, { points, said }]) => {
      // One phrase is an accident.
      const score = Math.min(most, Math.max(0, points - 1), left);
      if (score < 0.5) return [];
      left -= score;
      const reason = `talks of ${about} (${said.map((words) => JSON.stringify(words)).join(", ")})`;
      return [{ check: "wording", symbol: `TALKS_${name}`, score: Math.round(score * 10) / 10, reason }];
    });
}

/** A few words from there on, to show. */
function wordsFrom(words: readonly string[], at: number): string {
  const shown = words.slice(at, at + 3);
  const end = shown.indexOf("\0");
  return (end < 0 ? shown : shown.slice(0, end)).join(" ").slice(0, 60);
}
