/**
 * Changes to a DMS file as a person would make them: only the lines concerned change, and comments, order,
 * blank lines and the other lines' exact bytes stay.
 */
import { join } from "node:path";
import { readIfPresent, writeDurably } from "../durable-file.ts";

/** A file's lines without their ends. */
export type LineEdit = (lines: readonly string[]) => readonly string[];

/**
 * Applies an edit to `config/<file>`; whether the file had to be written. A missing file is an empty one;
 * nothing is created for an edit that changes nothing. The caller holds the lock.
 */
export async function editFile(config: string, file: string, edit: LineEdit): Promise<boolean> {
  const path = join(config, file);
  const before = await readIfPresent(path);
  const after = editText(before ?? "", edit);
  if (after === (before ?? "")) return false;
  await writeDurably(path, after, 0o600);
  return true;
}

/** The edit on a text. Line ends stay what they are (CRLF where the first line has it); the last line gets one. */
export function editText(text: string, edit: LineEdit): string {
  const end = /^[^\n]*\r\n/.test(text) ? "\r\n" : "\n";
  const lines = text.split(/\r?\n/);
  if (lines.at(-1) === "") lines.pop();
  const edited = edit(lines);
  // Nothing changed: not even a missing last line end is ours to add.
  if (edited.length === lines.length && edited.every((line, index) => line === lines[index])) return text;
  return edited.length === 0 ? "" : edited.join(end) + end;
}

/** Replaces each line whose number (1 is the first) `change` knows; undefined deletes it. */
export function changeLines(change: ReadonlyMap<number, string | undefined>): LineEdit {
  return (lines) =>
    lines.flatMap((line, index) => {
      if (!change.has(index + 1)) return [line];
      const now = change.get(index + 1);
      return now === undefined ? [] : [now];
    });
}

/** Adds a line at the end. */
export function appendLine(line: string): LineEdit {
  return (lines) => [...lines, line];
}
