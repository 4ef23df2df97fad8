/**
 * Regular expressions that cannot backtrack: RE2's engine, whose time is linear in the text for every pattern
 * (Cox: "Regular Expression Matching in the Wild", 2010). Rules are written by strangers and run over what
 * strangers send, so V8's engine, which a pattern like (a+)+b holds for ever, is never used for them.
 *
 * What RE2 leaves out on purpose (backreferences, look-around) is refused when the rules are read.
 */

/** A compiled pattern. */
export interface LinearRegex {
  /** Whether the pattern matches somewhere in the text. */
  matches(text: string): boolean;
}
/** Compiles a Perl-style pattern with Perl's flags; throws an Error that says what it does not understand. */
export type RegexCompiler = (pattern: string, flags: string) => LinearRegex;

/** The part of the package that is used here. */
interface Re2Package {
  readonly RE2JS: {
    readonly CASE_INSENSITIVE: number;
    readonly DOTALL: number;
    readonly MULTILINE: number;
    compile(pattern: string, flags: number): { matcher(text: string): { find(): boolean } };
  };
}
/** By name, because it is loaded by those who have rules only: most servers have none. */
const PACKAGE: string = "re2js";

/**
 * Loads the engine. `^` and `$` match at every line, because a text is given as lines that SpamAssassin would
 * look at one by one.
 *
 * @throws when the package is not installed
 */
export async function loadLinearRegex(): Promise<RegexCompiler> {
  const { RE2JS } = (await import(PACKAGE)) as Re2Package;
  return (pattern, flags) => {
    const options =
      RE2JS.MULTILINE |
      (flags.includes("i") ? RE2JS.CASE_INSENSITIVE : 0) |
      (flags.includes("s") ? RE2JS.DOTALL : 0);
    const compiled = RE2JS.compile(flags.includes("x") ? withoutBlanks(pattern) : pattern, options);
    return { matches: (text) => compiled.matcher(text).find() };
  };
}

/** Perl's /x: blanks and comments outside character classes mean nothing. */
function withoutBlanks(pattern: string): string {
  return pattern.replace(/\\.|\[(?:\\.|[^\]\\])*\]|\s+|#.*/g, (piece) =>
    /^(?:\s|#)/.test(piece) ? "" : piece,
  );
}
