/**
 * Settings from what a person or a stack wrote. Every mistake is told with its key, what is wrong and, for
 * an unknown key, the nearest known one.
 */
import { nearest } from "./nearest.ts";
import { elementRows, settingGroups, settingRows } from "./rows.ts";
import { type Settings, settingsSchema } from "./schema.ts";

export interface SettingProblem {
  /** Dotted; the name of the unknown key where it is one. */
  readonly key: string;
  readonly reason: string;
}
export type ParsedSettings =
  | { readonly ok: true; readonly settings: Settings }
  | { readonly ok: false; readonly problems: readonly SettingProblem[] };

/** Checks settings and fills in defaults. Never throws. */
export function parseSettings(value: unknown): ParsedSettings {
  const result = settingsSchema.safeParse(value);
  if (result.success) return { ok: true, settings: result.data };
  const problems = result.error.issues.flatMap((issue): SettingProblem[] => {
    const path = issue.path.map(String);
    if (issue.code === "unrecognized_keys") return issue.keys.map((key) => unknownKey([...path, key]));
    const key = path.join(".");
    if (valueAt(value, issue.path) === undefined)
      return [{ key: key || "settings", reason: `${key || "the settings"} must be given` }];
    return [{ key: key || "settings", reason: `${key || "the settings"}: ${issue.message}` }];
  });
  return { ok: false, problems };
}

/** The settings of a text in JSON. Never throws. */
export function parseSettingsText(text: string): ParsedSettings {
  try {
    return parseSettings(JSON.parse(text));
  } catch (error) {
    const reason = `the settings are not JSON: ${error instanceof Error ? error.message : String(error)}`;
    return { ok: false, problems: [{ key: "settings", reason }] };
  }
}

function unknownKey(path: readonly string[]): SettingProblem {
  const key = path.join(".");
  const guess = nearest(withoutIndexes(path), knownKeys());
  const hint = guess === undefined ? "" : `; did you mean "${guess}"?`;
  return { key, reason: `there is no setting "${key}"${hint}` };
}

function withoutIndexes(path: readonly string[]): string {
  return path.filter((part) => !/^\d+$/.test(part)).join(".");
}

function knownKeys(): string[] {
  const elements = settingRows
    .filter((row) => row.type === "list")
    .flatMap((row) => elementRows(row.key).map((element) => `${row.key}.${element.key}`));
  return [...settingRows.map((row) => row.key), ...settingGroups.keys(), ...elements];
}

function valueAt(value: unknown, path: readonly PropertyKey[]): unknown {
  return path.reduce<unknown>(
    (at, part) =>
      typeof at === "object" && at !== null ? (at as Record<PropertyKey, unknown>)[part] : undefined,
    value,
  );
}
