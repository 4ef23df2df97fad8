/**
 * Characters that make text look like what it is not: directions turned round (a name that ends in "exe"
 * and shows "txt"), letters of no width inside words, words in several alphabets (UTS #36, UTS #39).
 */
import type { Check } from "../check.ts";
import type { Finding } from "../pipeline.ts";
import { readableValue } from "../reading/readable.ts";
import { mixesScripts } from "../reading/scripts.ts";

const TURNED = /[\u202a-\u202e\u2066-\u2069]/;
const NO_WIDTH = /\p{L}[\u200b\u2060\ufeff\u00ad]\p{L}/gu;
/** Most text has none of them, which a plain search finds out forty times as fast as the expression. */
const NO_WIDTH_LETTERS = ["\u200b", "\u2060", "\ufeff", "\u00ad"] as const;
/** So many cut words are no accident of a program's hyphenation. */
const CUT_WORDS = 10;
/** Characters of a text that are looked at. */
const MAX_LOOKED_AT = 64 * 1024;

export const unicodeTricksCheck: Check = {
  name: "unicode-tricks",
  timeLimit: 10_000,
  onFailure: "accept",
  async run(_message, facts) {
    const { headers, attachments, texts } = await facts.readable();
    const findings: Finding[] = [];
    const found = (symbol: string, score: number, reason: string): void => {
      findings.push({ check: "unicode-tricks", symbol, score, reason });
    };
    const lines = [readableValue(headers, "subject"), readableValue(headers, "from")];
    const turnedName = attachments.find(({ name }) => TURNED.test(name));
    if (turnedName) found("BIDI_FILE_NAME", 6, "an attachment's name changes its direction of writing");
    if (lines.some((line) => TURNED.test(line)))
      found("BIDI_HEADER", 1.5, "Subject or From changes its direction of writing");
    if (lines.some((line) => line.split(/[\s"<>@.,]+/).some(mixesScripts)))
      found("MIXED_SCRIPTS_HEADER", 2, "a word of Subject or From mixes alphabets that look alike");
    const cut = texts.reduce((sum, { text }) => sum + cutWords(text.slice(0, MAX_LOOKED_AT)), 0);
    if (cut > CUT_WORDS) found("ZERO_WIDTH_WORDS", 2, "characters of no width stand inside words");
    return { findings };
  },
};

function cutWords(text: string): number {
  return NO_WIDTH_LETTERS.some((letter) => text.includes(letter)) ? (text.match(NO_WIDTH)?.length ?? 0) : 0;
}
