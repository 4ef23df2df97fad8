/** Reading and writing one stack object's file; the callers in `admin/` hold the lock. */
import { join } from "node:path";
import { readIfPresent, removeDurably, writeDurably } from "../durable-file.ts";
import {
  type StackKind,
  type StackObject,
  type StackSettings,
  stackFileName,
  stackKinds,
  stackNames,
  stackSettings,
} from "./objects.ts";

/** A stack file that cannot be understood; the message names the file and the field. */
export class BrokenStackFile extends Error {
  override name = "BrokenStackFile";
}

/** The object's file below the config directory, with forward slashes. */
export function stackPath(kind: StackKind, name: string): string {
  return `stack/${kind}/${stackFileName(name)}`;
}

/**
 * The object of this name, or undefined when it was never declared.
 *
 * @throws {BrokenStackFile}
 */
export async function readStackObject<K extends StackKind>(
  config: string,
  kind: K,
  name: string,
): Promise<StackObject<K> | undefined> {
  const path = stackPath(kind, name);
  const text = await readIfPresent(join(config, path));
  if (text === undefined) return undefined;
  const object = parseStackObject(kind, text, path);
  if (stackNames[kind](object) !== name)
    throw new BrokenStackFile(`${path} declares "${stackNames[kind](object)}", which its name does not say`);
  return object;
}

/**
 * Writes the object; whether the file had to be written (the same content is left alone, so that nothing
 * is reloaded for it).
 */
export async function writeStackObject<K extends StackKind>(
  config: string,
  kind: K,
  object: StackObject<K>,
): Promise<boolean> {
  const path = join(config, stackPath(kind, stackNames[kind](object)));
  return writeIfChanged(path, object);
}

/** Deletes the object's file; whether there was one. */
export async function removeStackObject(config: string, kind: StackKind, name: string): Promise<boolean> {
  return removeDurably(join(config, stackPath(kind, name)));
}

/** @throws {BrokenStackFile} */
export function parseStackObject<K extends StackKind>(kind: K, text: string, path: string): StackObject<K> {
  const result = stackKinds[kind].safeParse(json(text, path));
  if (!result.success) throw new BrokenStackFile(`${path}: ${firstIssue(result.error.issues)}`);
  return result.data as StackObject<K>;
}

/** @throws {BrokenStackFile} */
export async function readStackSettings(config: string): Promise<StackSettings | undefined> {
  const text = await readIfPresent(join(config, STACK_SETTINGS));
  return text === undefined ? undefined : parseStackSettings(text);
}

/** @throws {BrokenStackFile} */
export function parseStackSettings(text: string): StackSettings {
  const result = stackSettings.safeParse(json(text, STACK_SETTINGS));
  if (!result.success) throw new BrokenStackFile(`${STACK_SETTINGS}: ${firstIssue(result.error.issues)}`);
  return result.data;
}

/** Whether the file had to be written. */
export async function writeStackSettings(config: string, settings: StackSettings): Promise<boolean> {
  return writeIfChanged(join(config, STACK_SETTINGS), settings);
}

/** Relative to the config directory. */
export const STACK_SETTINGS = "stack/settings.json";

async function writeIfChanged(path: string, value: object): Promise<boolean> {
  const text = `${JSON.stringify(value, undefined, 2)}\n`;
  if ((await readIfPresent(path)) === text) return false;
  await writeDurably(path, text, 0o600);
  return true;
}

function json(text: string, path: string): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    throw new BrokenStackFile(
      `${path} is not JSON: ${error instanceof Error ? error.message : String(error)}`,
    );
  }
}

function firstIssue(
  issues: readonly { readonly path: readonly PropertyKey[]; readonly message: string }[],
): string {
  const issue = issues[0];
  return issue === undefined
    ? "it cannot be understood"
    : `${issue.path.join(".") || "the object"}: ${issue.message}`;
}
