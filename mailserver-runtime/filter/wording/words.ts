/**
 * The words of a text as a reader takes them in, however they are disguised: compatibility forms and accents undone
 * (UTS #15), letters of other alphabets that look Latin in a Latin word as those (UTS #39), characters of no width left out,
 * single letters in a row joined ("v i a g r a", "v.i.a.g.r.a").
 */

/** Letters of Cyrillic and Greek that look like Latin ones. */
const lookAlike: Readonly<Record<string, string>> = Object.fromEntries(
  Array.from(
    "аaеeоoрpсcуyхxіiјjѕsԁdһhνvοoαaρpιiκkτtυuєeгrпnвbмmнhтtкk".matchAll(/(.)(.)/gu),
    ([, from, to]) => [from!, to!],
  ),
);
const HIDDEN = /\u00ad|\u180e|[\u200b-\u200f]|[\u2060-\u2064]|\ufeff|\p{M}/gu;
const WORD = /[\p{L}\p{N}$@%!][\p{L}\p{N}$@%!'’]*/gu;
const LONGEST_ROW = 30;

/** At most `limit` words, lower case. */
export function wordsOf(text: string, limit: number): string[] {
  const isPlain = /^[\x00-\x7f]*$/.test(text);
  const lower = (isPlain ? text : text.normalize("NFKD").replace(HIDDEN, "")).toLowerCase();
  const words: string[] = [];
  let row = "";
  const endRow = (): void => {
    // Two or three single letters are initials.
    if (row.length > 3) words.push(row);
    else words.push(...row);
    row = "";
  };
  for (const [found] of lower.matchAll(WORD)) {
    const word = isPlain ? found : latin(found);
    if (word.length === 1 && /[a-z0-9@]/.test(word) && row.length < LONGEST_ROW) {
      row += word;
      continue;
    }
    if (row !== "") endRow();
    words.push(trimmed(word));
    if (words.length >= limit) return words;
  }
  if (row !== "") endRow();
  return words;
}

/** Marks at the end belong to the sentence; two and more are a word's own. */
const trimmed = (word: string): string => (word.length > 1 ? word.replace(/(?<=[^!'’])[!'’]$/, "") : word);

/** Only where a Latin letter stands in the word: a Russian word is one. */
function latin(word: string): string {
  const isForeign = !/^[\x00-\x7f]*$/.test(word) && /[a-z]/.test(word);
  return (isForeign ? latinLetters(word) : word).replaceAll("’", "'");
}

/** Lower-case letters that look like Latin ones as those. */
export const latinLetters = (word: string): string =>
  word.replace(/./gu, (letter) => lookAlike[letter] ?? letter);
