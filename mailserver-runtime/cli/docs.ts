/** `docs [topic]`: the documentation of exactly this version, which is installed beside the program. */
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { basename } from "node:path";
import { fileURLToPath } from "node:url";
import { type CommandContext, CommandError } from "./command.ts";

const home = new URL("../../", import.meta.url);
const folders = ["docs/guide/", "docs/reference/", "docs/decisions/"];

/** Path of each topic's page by its name. */
function topics(): ReadonlyMap<string, string> {
  const found = new Map<string, string>();
  for (const folder of folders) {
    const path = fileURLToPath(new URL(folder, home));
    if (!existsSync(path)) continue;
    for (const file of readdirSync(path).sort())
      if (file.endsWith(".md")) found.set(basename(file, ".md").toLowerCase(), `${path}${file}`);
  }
  const changes = fileURLToPath(new URL("CHANGELOG.md", home));
  if (existsSync(changes)) found.set("changelog", changes);
  return found;
}

export async function docsCommand(context: CommandContext, args: readonly string[]): Promise<number> {
  const all = topics();
  const [wanted] = args;
  if (wanted === undefined) {
    context.out(`mailkeep ${context.version}. 'docs <topic>' prints a page:`);
    for (const [topic, path] of all) context.out(`  ${topic.padEnd(28)} ${title(path)}`);
    return 0;
  }
  // A decision is found by its number, every page by the beginning of its name.
  const name = wanted.toLowerCase().replace(/\.md$/, "");
  const path = all.get(name) ?? [...all].find(([topic]) => topic.startsWith(name))?.[1];
  if (path === undefined)
    throw new CommandError(`there is no page "${wanted}"; there are: ${[...all.keys()].join(", ")}`);
  context.out(readFileSync(path, "utf8").trimEnd());
  return 0;
}

const title = (path: string): string => /^#\s+(.+)$/m.exec(readFileSync(path, "utf8"))?.[1] ?? "";
