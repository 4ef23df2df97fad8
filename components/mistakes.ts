/** Mistakes in what a stack declares, gathered so that all of them are told at once. */

/** A mistake in what was declared. `where` is a path into MailStackArgs. */
export interface Mistake {
  readonly where: string;
  readonly what: string;
}

/** Everything that is wrong at once, a line each. */
export class StackMistakes extends Error {
  override readonly name = "StackMistakes";
  readonly mistakes: readonly Mistake[];

  constructor(mistakes: readonly Mistake[]) {
    super(mistakes.map(({ where, what }) => `${where}: ${what}`).join("\n"));
    this.mistakes = mistakes;
  }
}

/** What `parse` gives; undefined, and one mistake more, where it throws. */
export function attempt<T>(parse: () => T, where: string, text: string, mistakes: Mistake[]): T | undefined {
  try {
    return parse();
  } catch (error) {
    mistakes.push({
      where,
      what: `${quote(text)} ${error instanceof Error ? error.message : String(error)}`,
    });
    return undefined;
  }
}

export const quote = (text: string) => JSON.stringify(text);
