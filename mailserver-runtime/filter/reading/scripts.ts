/** Which alphabets a word is written in (Unicode UAX #24), for words that are made to look like others. */

/** Alphabets whose letters look alike; a word has one of them. */
const alike = [
  /\p{Script=Latin}/u,
  /\p{Script=Cyrillic}/u,
  /\p{Script=Greek}/u,
  /\p{Script=Armenian}/u,
  /\p{Script=Cherokee}/u,
];

/** Whether letters of several of these alphabets stand in the word. */
export function mixesScripts(word: string): boolean {
  if (/^[\x00-\x7f]*$/.test(word)) return false;
  return alike.filter((script) => script.test(word)).length > 1;
}
