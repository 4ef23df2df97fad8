/** dovecot-masters.cf: `name|{SCHEME}hash`. A master logs in as `user@domain*name` with its own password. */
import { type LineParser, lineParser } from "./lines.ts";

export const MASTERS_FILE = "dovecot-masters.cf";

export interface MasterLine {
  readonly line: number;
  /** Not an address; case counts, as in Dovecot. */
  readonly name: string;
  readonly passwordHash: string;
}

export const parseMasters: LineParser<MasterLine> = lineParser({
  read: ({ line, text: entry }) => {
    const bar = entry.indexOf("|");
    const name = bar < 0 ? "" : entry.slice(0, bar).trim();
    const passwordHash = entry
      .slice(bar + 1)
      .split("|")[0]!
      .trim();
    if (name === "" || passwordHash === "") throw new Error("a master is written name|{SCHEME}hash");
    if (/[@*\s]/.test(name)) throw new Error(`the master's name "${name}" has a space, @ or *`);
    return { line, name, passwordHash };
  },
  key: (entry) => entry.name,
});
