/** All aliases: the stack's, those of postfix-virtual.cf, and those of tables that postfix-main.cf names. */
import type { Settings } from "../settings/schema.ts";
import type { CompileInput } from "./compile.ts";
import { VIRTUAL_FILE } from "./dms/virtual.ts";
import { Pace } from "./pace.ts";
import type { Account, Alias, ConfigurationProblem, Origin } from "./snapshot.ts";
import { stackPath } from "./stack/files.ts";
import { stackWins } from "./stack-wins.ts";

/** By canonical address, or `@domain`. */
export async function collectAliases(
  { values, settings, postfix }: CompileInput,
  problems: ConfigurationProblem[],
): Promise<Map<string, Alias>> {
  const pace = new Pace();
  const aliases = new Map<string, Alias>();
  for (const { address, targets, owner } of values.stackAliases.values()) {
    const origin: Origin = { file: stackPath("aliases", address), line: 1, owner: "stack", urn: owner };
    aliases.set(address, { address, targets, origin });
    if (pace.due) await pace.turn();
  }
  for (const list of [values.virtual, postfix.aliases])
    for (const entry of list) {
      if (pace.due) await pace.turn();
      const file = "file" in entry && typeof entry.file === "string" ? entry.file : VIRTUAL_FILE;
      const address = qualified(entry.address, settings);
      const present = aliases.get(address);
      if (present !== undefined) {
        problems.push(
          present.origin.owner === "stack"
            ? stackWins(file, entry.line, address, present.origin)
            : twice(file, entry.line, address, present.origin),
        );
        continue;
      }
      aliases.set(address, {
        address,
        targets: entry.targets.map((target) => qualified(target, settings)),
        origin: { file, line: entry.line, owner: "setup" },
      });
    }
  return aliases;
}

/**
 * Aliases that an account of the same name keeps from working. An alias that names the account among its targets is meant
 * (a copy is kept), and one of a removed account takes its place.
 */
export async function collisionProblems(
  aliases: ReadonlyMap<string, Alias>,
  accounts: ReadonlyMap<string, Account>,
): Promise<readonly ConfigurationProblem[]> {
  const pace = new Pace();
  const problems: ConfigurationProblem[] = [];
  for (const { address, targets, origin } of aliases.values()) {
    if (pace.due) await pace.turn();
    const account = accounts.get(address);
    if (account?.enabled !== true || targets.some((target) => target.toLowerCase() === address)) continue;
    const { file, line } = account.origin;
    problems.push({
      file: origin.file,
      line: origin.line,
      reason: `${address} is an account, too (${file}:${line}), and the account gets the mail: here it comes before the alias, unlike in Postfix. Name ${address} among the targets to have both, or delete one of them`,
    });
  }
  return problems;
}

/** A name without a domain is at the server's own name (Postfix's myorigin). */
export function qualified(name: string, settings: Settings): string {
  return name.includes("@") ? name : `${name}@${settings.hostname.toLowerCase()}`;
}

function twice(file: string, line: number, address: string, { file: other, line: there }: Origin) {
  return { file, line, reason: `${address} is in ${other}:${there} already; that one stands` };
}
