/**
 * postfix-virtual.cf, virtual(5): `alias target[,target...]`, separated by any white space, targets by
 * commas or white space. The alias is `user@domain`, `@domain` (everything in the domain that nobody else
 * has), or `user` alone, which is the user at the server's own domain.
 */
import { aliasAddress } from "../address.ts";
import { type LineParser, lineParser, unfoldedLines } from "./lines.ts";

export const VIRTUAL_FILE = "postfix-virtual.cf";

export interface VirtualLine {
  readonly line: number;
  /** Canonical; without a domain where the file has none. */
  readonly address: string;
  /** As written, in order; without a domain where the file has none. */
  readonly targets: readonly string[];
}

export const parseVirtual: LineParser<VirtualLine> = lineParser({
  unfold: unfoldedLines,
  read: ({ line, text: entry }) => {
    const space = entry.search(/\s/);
    const targets = space < 0 ? [] : splitTargets(entry.slice(space));
    if (targets.length === 0)
      throw new Error("an alias is written `alias target[,target...]`; there is no target in this line");
    return { line, address: aliasName(space < 0 ? entry : entry.slice(0, space)), targets };
  },
  key: (entry) => entry.address,
});

/** The targets of an alias's right side. */
export function splitTargets(text: string): string[] {
  return text.split(/[\s,]+/).filter((target) => target !== "");
}

function aliasName(text: string): string {
  return text.includes("@") ? aliasAddress(text) : text.toLowerCase();
}
