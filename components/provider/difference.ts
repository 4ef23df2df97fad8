/**
 * What changes between two sets of inputs, property by property. Which of them ask for a replacement the caller says.
 */
import type { PropertyDiff, PropertyDiffKind, PropertyMap } from "../engine/provider.ts";
import { equal, isSecret, plain } from "../engine/wire.ts";
import { pathText } from "./validation.ts";

type Path = readonly (string | number)[];

/** By property path, for a `DiffResult`. Both maps in wire form; `replacing` are top-level properties. */
export function differences(
  before: PropertyMap,
  after: PropertyMap,
  replacing: readonly string[] = [],
): Record<string, PropertyDiff> {
  const found: Record<string, PropertyDiff> = {};
  for (const key of new Set([...Object.keys(before), ...Object.keys(after)])) {
    for (const [path, kind] of compare(before[key], after[key], [key]))
      found[pathText(path)] = { kind: replacing.includes(key) ? `${kind}-replace` : kind, inputDiff: true };
  }
  return found;
}

type PlainKind = Exclude<PropertyDiffKind, `${string}-replace`>;

/** A secret is one value: which part of it changes is not said. */
function* compare(before: unknown, after: unknown, path: Path): Generator<[Path, PlainKind]> {
  if (isSecret(before) || isSecret(after)) {
    const [left, right] = [plain(before), plain(after)];
    if (!equal(left, right))
      yield [path, left === undefined ? "add" : right === undefined ? "delete" : "update"];
    return;
  }
  if (equal(before, after)) return;
  if (before === undefined || before === null) return yield [path, "add"];
  if (after === undefined || after === null) return yield [path, "delete"];
  if (Array.isArray(before) && Array.isArray(after)) {
    for (let index = 0; index < Math.max(before.length, after.length); index++)
      yield* compare(before[index], after[index], [...path, index]);
    return;
  }
  if (isMap(before) && isMap(after)) {
    for (const key of new Set([...Object.keys(before), ...Object.keys(after)]))
      yield* compare(before[key], after[key], [...path, key]);
    return;
  }
  yield [path, "update"];
}

const isMap = (value: unknown): value is Record<string, unknown> =>
  typeof value === "object" && value !== null && !Array.isArray(value);
