/**
 * Which version of the server used these volumes last. Files that another version wrote are read all the same; whoever looks
 * after the server is told that it is another one, and what the changelog says has changed in between.
 */
import { join } from "node:path";
import { readIfPresent, writeDurably } from "./durable-file.ts";

export interface VersionChange {
  readonly from: string;
  readonly to: string;
  /** What the changelog's paragraphs since then are about. */
  readonly changes: readonly string[];
}

/** Notes the version in state/software-version; undefined where it is the one that was there, or the first. */
export async function versionChange(
  stateDirectory: string,
  version: string,
  changelog: () => Promise<string | undefined>,
): Promise<VersionChange | undefined> {
  const file = join(stateDirectory, "software-version");
  const before = (await readIfPresent(file))?.trim();
  if (before === version) return undefined;
  await writeDurably(file, `${version}\n`, 0o644);
  if (before === undefined || before === "") return undefined;
  return { from: before, to: version, changes: changesSince((await changelog()) ?? "", before) };
}

/** The bold beginnings of the paragraphs above the heading of a version: `**The image.** ...`. */
export function changesSince(changelog: string, version: string): readonly string[] {
  const lines = changelog.split("\n");
  const end = lines.findIndex((line) => line.startsWith("## ") && line.slice(3).startsWith(version));
  const since = end < 0 ? lines : lines.slice(0, end);
  return since.flatMap((line) => /^\*\*(.+?)\.?\*\*/.exec(line)?.[1] ?? []);
}
