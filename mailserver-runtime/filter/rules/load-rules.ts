/** The administrator's `spamassassin-rules.cf`: read at start, its problems in the log. */
import { readIfPresent } from "../../config/durable-file.ts";
import type { Log } from "../../net/log.ts";
import { loadLinearRegex } from "./linear-regex.ts";
import { type RuleFile, readRules } from "./rule-file.ts";

/** Problems that are logged one by one; a whole foreign rule set has thousands. */
const MAX_LOGGED = 50;

/** The rules of a file. No file: no rules, and no engine is loaded. Never throws. */
export async function loadRules(path: string, log: Log): Promise<RuleFile> {
  try {
    const text = await readIfPresent(path);
    if (text === undefined) return { rules: new Map(), problems: [] };
    const file = readRules(text, await loadLinearRegex());
    for (const { line, reason } of file.problems.slice(0, MAX_LOGGED))
      log.warn({ event: "rule-left-out", file: path, line, reason });
    log.info({ event: "rules-read", file: path, rules: file.rules.size, leftOut: file.problems.length });
    return file;
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    log.error({ event: "rules-unreadable", file: path, reason }, "mail is judged without the file's rules");
    return { rules: new Map(), problems: [{ line: 0, reason }] };
  }
}
