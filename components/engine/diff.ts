/**
 * Comparing property maps: what a person is shown for a step, what stands in for a provider that cannot say,
 * and the engine's own corrections of a provider's answer (replaceOnChanges). Everything here is pure.
 */
import { containsPath, formatPath, type PathPart, parsePath } from "./property-path.ts";
import type { DiffResult, PropertyDiff, PropertyDiffKind, PropertyMap } from "./provider.ts";
import { equal, isSecret, plain, secret } from "./wire.ts";

/** One changed place. `before` and `after` keep their secret marks: redact before showing. */
export interface PropertyChange {
  path: string;
  kind: "add" | "delete" | "update";
  before?: unknown;
  after?: unknown;
  replaces: boolean;
}

const isMap = (value: unknown): value is Record<string, unknown> =>
  typeof value === "object" && value !== null && !Array.isArray(value) && !isSecret(value);

/** Every place where two property maps differ, deepest first known place, in the order of the keys. */
export function compare(before: PropertyMap, after: PropertyMap): PropertyChange[] {
  const changes: PropertyChange[] = [];
  const visit = (path: PathPart[], old: unknown, now: unknown) => {
    if (equal(plain(old), plain(now))) return;
    if (isMap(old) && isMap(now)) {
      for (const key of new Set([...Object.keys(old), ...Object.keys(now)]))
        visit([...path, key], old[key], now[key]);
    } else if (Array.isArray(old) && Array.isArray(now)) {
      const longest = Math.max(old.length, now.length);
      for (let index = 0; index < longest; index += 1) visit([...path, index], old[index], now[index]);
    } else {
      const kind = old === undefined ? "add" : now === undefined ? "delete" : "update";
      changes.push({ path: formatPath(path), kind, before: old, after: now, replaces: false });
    }
  };
  for (const key of new Set([...Object.keys(before), ...Object.keys(after)]))
    visit([key], before[key], after[key]);
  return changes;
}

/** The provider's answer where it gave none: the inputs decide. */
export function resolveUnknownDiff(
  result: DiffResult,
  oldInputs: PropertyMap,
  newInputs: PropertyMap,
): DiffResult {
  if (result.changes !== "unknown") return result;
  const changes = compare(oldInputs, newInputs);
  return {
    ...result,
    changes: changes.length > 0 ? "some" : "none",
    detailedDiff: Object.fromEntries(
      changes.map((change): [string, PropertyDiff] => [change.path, { kind: change.kind, inputDiff: true }]),
    ),
  };
}

const toReplace = (kind: PropertyDiffKind): PropertyDiffKind =>
  kind.endsWith("-replace") ? kind : (`${kind}-replace` as PropertyDiffKind);

/** Whether a result asks for a replacement. */
export const isReplace = (result: DiffResult): boolean =>
  result.replaces.length > 0 ||
  Object.values(result.detailedDiff).some((diff) => diff.kind.endsWith("-replace"));

/**
 * Adds what the program's replaceOnChanges makes a replacement. `#initerror` stands for an object whose last
 * create or update did not complete.
 */
export function applyReplaceOnChanges(
  result: DiffResult,
  replaceOnChanges: readonly string[],
  hasInitErrors: boolean,
): DiffResult {
  if (replaceOnChanges.length === 0 || (result.changes !== "some" && !hasInitErrors)) return result;
  const watched = replaceOnChanges.map(parsePath);
  const isWatched = (path: PathPart[]) => watched.some((prefix) => containsPath(prefix, path));
  const replaces = new Set(result.replaces);
  const detailedDiff = Object.fromEntries(
    Object.entries(result.detailedDiff).map(([path, diff]): [string, PropertyDiff] => {
      if (!isWatched(parsePath(path))) return [path, diff];
      replaces.add(String(parsePath(path)[0]));
      return [path, { ...diff, kind: toReplace(diff.kind) }];
    }),
  );
  const broken = hasInitErrors && isWatched(["#initerror"]);
  if (broken) replaces.add("#initerror");
  return { ...result, changes: broken ? "some" : result.changes, replaces: [...replaces], detailedDiff };
}

/**
 * What to show for a step: the places the provider named, with the values of the inputs (or, for drift, of the
 * outputs); without a detailed diff every place where the inputs differ.
 */
export function describeChanges(
  result: DiffResult,
  old: { inputs: PropertyMap; outputs: PropertyMap },
  inputs: PropertyMap,
): PropertyChange[] {
  const replaced = new Set(result.replaces);
  const named = Object.entries(result.detailedDiff);
  if (named.length === 0) {
    return compare(old.inputs, inputs).map((change) => ({
      ...change,
      replaces: replaced.has(String(parsePath(change.path)[0])),
    }));
  }
  return named.map(([path, diff]) => {
    const parts = parsePath(path);
    const before = valueAt(diff.inputDiff ? old.inputs : old.outputs, parts);
    const after = valueAt(inputs, parts);
    return {
      path,
      kind: diff.kind.replace("-replace", "") as PropertyChange["kind"],
      before,
      after,
      replaces: diff.kind.endsWith("-replace") || replaced.has(String(parts[0])),
    };
  });
}

/** The value at a path; what lies inside a secret is a secret too. */
function valueAt(root: PropertyMap, path: readonly PathPart[]): unknown {
  let here: unknown = root;
  let inSecret = false;
  for (const part of path) {
    if (isSecret(here)) {
      inSecret = true;
      here = here.value;
    }
    if (typeof here !== "object" || here === null) return undefined;
    here = (here as Record<PathPart, unknown>)[part];
  }
  return inSecret && here !== undefined ? secret(here) : here;
}
