/**
 * OpenDKIM's tables as DMS writes them: `opendkim/KeyTable` has
 * `selector._domainkey.domain domain:selector:/etc/opendkim/keys/domain/selector.private`, and
 * `opendkim/SigningTable` has `*@domain selector._domainkey.domain`. The path is that inside DMS's
 * container; the files lie below `opendkim/keys/` in the config directory.
 */
import { mailDomain } from "../address.ts";
import { type LineParser, lineParser } from "./lines.ts";

export const KEY_TABLE_FILE = "opendkim/KeyTable";
export const SIGNING_TABLE_FILE = "opendkim/SigningTable";

export interface KeyTableLine {
  readonly line: number;
  /** What SigningTable calls the key. */
  readonly name: string;
  readonly domain: string;
  readonly selector: string;
  /** Relative to the config directory. */
  readonly keyFile: string;
}
export interface SigningTableLine {
  readonly line: number;
  /** The signing domain that the pattern covers: `*@domain`, `@domain` or `domain`. */
  readonly domain: string;
  readonly key: string;
}

export const parseKeyTable: LineParser<KeyTableLine> = lineParser({
  read: ({ line, text: entry }) => {
    const parts = /^(\S+)\s+([^\s:]+):([^\s:]+):(\S+)$/.exec(entry);
    if (parts === null) throw new Error("a key is written `name domain:selector:/path/of/the.private`");
    const below = /(?:^|\/)opendkim\/(keys\/.+)$/.exec(parts[4]!)?.[1];
    if (below === undefined || below.split("/").includes(".."))
      throw new Error(`the key's path must lie below opendkim/keys/, not at "${parts[4]}"`);
    return {
      line,
      name: parts[1]!,
      domain: mailDomain(parts[2]!),
      selector: parts[3]!.toLowerCase(),
      keyFile: `opendkim/${below}`,
    };
  },
  key: (entry) => entry.name,
});

export const parseSigningTable: LineParser<SigningTableLine> = lineParser({
  read: ({ line, text: entry }) => {
    const [pattern = "", key, ...rest] = entry.split(/\s+/);
    if (key === undefined || rest.length > 0) throw new Error("a row is written `*@domain name-in-KeyTable`");
    const domain = /^(?:\*?@)?([^@*]+)$/.exec(pattern)?.[1];
    if (domain === undefined) throw new Error(`the pattern "${pattern}" is not supported: write *@domain`);
    return { line, domain: mailDomain(domain), key };
  },
});
