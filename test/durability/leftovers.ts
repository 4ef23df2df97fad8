/** What no stopped server may leave behind: files of deliveries, renames and deletions that did not come to their end. */
import { globSync } from "node:fs";
import type { Directories } from "../../mailserver-runtime/settings/directories.ts";

export async function leftovers({ mail, state }: Directories): Promise<string[]> {
  const left = [
    ...globSync(["*/*/tmp/*", "*/*/.*/tmp/*", "**/*.tmp", "**/mailkeep-rename"], { cwd: mail }),
    ...globSync(["incoming/*", "queue/*", "**/*.tmp", "**/*.new"], { cwd: state }),
  ];
  return left.map((file) => `${file} was left`);
}
