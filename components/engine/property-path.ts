/**
 * Property paths as Pulumi writes them (sdk/go/common/resource/properties_path.go): `root.nested[0]`,
 * `root["a key.with dots"]`, and `*` for any key or index. Used by ignoreChanges, replaceOnChanges, detailed
 * diffs and `config set --path`. Everything here is pure, except that {@link resetPath} and {@link setPath}
 * change the object they are given.
 */
import { isSecret, secret } from "./wire.ts";

export type PathPart = string | number;
export type PropertyPath = readonly PathPart[];

type Container = Record<string, unknown>;

const isContainer = (value: unknown): value is Container =>
  typeof value === "object" && value !== null && !Array.isArray(value) && !isSecret(value);

/** Reads a path. Throws with the position of what cannot be read. */
export function parsePath(text: string): PathPart[] {
  const parts: PathPart[] = [];
  let at = 0;
  const fail = (what: string): never => {
    throw new Error(`property path '${text}': ${what} at character ${at + 1}`);
  };
  while (at < text.length) {
    if (text[at] === ".") {
      at += 1;
      if (at === text.length) fail("a name is missing");
    } else if (text[at] === "[") {
      const quoted = /^\["((?:[^"\\]|\\.)*)"\]/.exec(text.slice(at));
      const bare = /^\[(\d+|\*)\]/.exec(text.slice(at));
      if (quoted) parts.push(quoted[1]!.replace(/\\(.)/g, "$1"));
      else if (bare) parts.push(bare[1] === "*" ? "*" : Number(bare[1]));
      else fail('expected ["name"] or [index]');
      at += (quoted ?? bare)![0].length;
    } else {
      const name = /^[^.[\]]+/.exec(text.slice(at))?.[0] ?? fail("unexpected character");
      parts.push(name);
      at += name.length;
    }
  }
  return parts;
}

/** Writes a path so that {@link parsePath} reads it back. */
export function formatPath(path: PropertyPath): string {
  return path
    .map((part, index) => {
      if (typeof part === "number") return `[${part}]`;
      if (part === "*" || /^[A-Za-z0-9_]+$/.test(part)) return index === 0 ? part : `.${part}`;
      return `["${part.replace(/["\\]/g, "\\$&")}"]`;
    })
    .join("");
}

/** Whether `path` is the place `prefix` names, or lies below it. */
export function containsPath(prefix: PropertyPath, path: PropertyPath): boolean {
  return prefix.length <= path.length && prefix.every((part, index) => part === "*" || part === path[index]);
}

/** Writes a value at a path and makes the objects and lists on the way. Throws where a plain value is in the way. */
export function setPath(root: Container, path: PropertyPath, value: unknown): void {
  let here: Container | unknown[] = root;
  path.forEach((part, index) => {
    const place = here as Record<PathPart, unknown>;
    if (index === path.length - 1) {
      place[part] = value;
      return;
    }
    place[part] ??= typeof path[index + 1] === "number" ? [] : {};
    const next = place[part];
    if (typeof next !== "object" || next === null) {
      throw new Error(`'${formatPath(path.slice(0, index + 1))}' already holds a plain value`);
    }
    here = next as Container | unknown[];
  });
}

/** The value at a path, or undefined. */
export function getPath(root: unknown, path: PropertyPath): unknown {
  return path.reduce<unknown>(
    (here, part) => (typeof here === "object" && here !== null ? (here as Container)[part] : undefined),
    root,
  );
}

/**
 * Puts the old value back at a path of the new inputs: what ignoreChanges does. Lists never change length.
 * False where the path goes through an element that was added or removed, so that nothing could be put back.
 */
export function resetPath(path: PropertyPath, olds: unknown, news: unknown): boolean {
  return reset(path, olds, news, false, false);
}

function reset(
  path: PropertyPath,
  old: unknown,
  now: unknown,
  oldSecret: boolean,
  newSecret: boolean,
): boolean {
  const oldWasSecret = oldSecret || isSecret(old);
  const newWasSecret = newSecret || isSecret(now);
  const before = isSecret(old) ? old.value : old;
  const after = isSecret(now) ? now.value : now;
  const [part, ...rest] = path;
  if (part === undefined) return true;
  const kept = (value: unknown) => (oldWasSecret && !newWasSecret ? secret(value) : value);

  if (part === "*") return resetAll(rest, before, after, oldWasSecret, newWasSecret, kept);
  if (typeof part === "number") {
    if (!Array.isArray(before) || !Array.isArray(after))
      return !Array.isArray(before) && !Array.isArray(after);
    if (part >= before.length || part >= after.length) return part >= before.length && part >= after.length;
    if (rest.length > 0) return reset(rest, before[part], after[part], oldWasSecret, newWasSecret);
    after[part] = kept(before[part]);
    return true;
  }
  if (rest.length === 0) {
    if (isContainer(before) && part in before) {
      if (!isContainer(after)) return false;
      after[part] = kept(before[part]);
    } else if (isContainer(after)) {
      delete after[part];
    }
    return true;
  }
  if (!isContainer(before) || !isContainer(after)) return !isContainer(before) && !isContainer(after);
  if (!(part in before) && !(part in after)) return true;
  if (!(part in after)) return false;
  return reset(rest, before[part], after[part], oldWasSecret, newWasSecret);
}

function resetAll(
  rest: PropertyPath,
  before: unknown,
  after: unknown,
  oldSecret: boolean,
  newSecret: boolean,
  kept: (value: unknown) => unknown,
): boolean {
  if (Array.isArray(before) && Array.isArray(after)) {
    const both = Math.min(before.length, after.length);
    for (let index = 0; index < both; index += 1) {
      if (rest.length === 0) after[index] = kept(before[index]);
      else if (!reset(rest, before[index], after[index], oldSecret, newSecret)) return false;
    }
    return before.length === after.length;
  }
  if (!isContainer(before) || !isContainer(after)) return false;
  if (rest.length > 0) {
    return Object.keys(before).every(
      (key) => key in after && reset(rest, before[key], after[key], oldSecret, newSecret),
    );
  }
  for (const key of Object.keys(after)) if (!(key in before)) delete after[key];
  for (const [key, value] of Object.entries(before)) after[key] = kept(value);
  return true;
}
