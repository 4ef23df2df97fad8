/** Where the stack and a file speak of the same thing. */
import type { ConfigurationProblem, Origin } from "./snapshot.ts";

/** A line that the stack's object takes the place of. */
export function stackWins(file: string, line: number, what: string, origin: Origin): ConfigurationProblem {
  const reason = `${what} is declared by the stack (${origin.urn}), which wins; delete this line, or remove the resource from the stack`;
  return { file, line, reason };
}
