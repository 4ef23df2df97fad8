/**
 * DMS's environment variables as settings: each setting names its variable in the schema, and the value is
 * converted by the setting's type (`1` and `0` are yes and no; numbers may carry k, M or G where they count
 * bytes). `<VAR>__FILE` names a file with the value; a set `<VAR>` wins over it, as in DMS.
 */
import { type SettingRow, settingRows } from "./rows.ts";
import { unsupportedSettings } from "./unsupported-variables.ts";

export interface EnvironmentProblem {
  readonly variable: string;
  readonly reason: string;
}
export interface EnvironmentSettings {
  /** Nested as a settings file is; only what the environment says. */
  readonly values: Readonly<Record<string, unknown>>;
  readonly problems: readonly EnvironmentProblem[];
}

/** The DMS variables that mean something here, by name. */
export const dmsVariables: ReadonlyMap<string, SettingRow> = new Map(
  settingRows.flatMap((row) => (row.dms === undefined ? [] : [[row.dms, row] as const])),
);

/**
 * Settings of an environment. `readFile` gives the text of a `__FILE`, or undefined where there is none.
 * A value that cannot be understood is a problem and left out.
 */
export function environmentSettings(
  env: Readonly<Record<string, string | undefined>>,
  readFile: (path: string) => string | undefined,
): EnvironmentSettings {
  const values: Record<string, unknown> = {};
  const problems: EnvironmentProblem[] = [...unsupportedSettings(env)];
  for (const [variable, row] of dmsVariables) {
    const text = variableText(env, variable, readFile, problems);
    if (text === undefined || text === "") continue;
    const value = converted(text, row);
    if (typeof value === "object" && "reason" in value) problems.push({ variable, reason: value.reason });
    else put(values, row.key.split("."), value);
  }
  return { values, problems };
}

/** `over` laid over `under`, group by group; lists and single values are replaced as a whole. */
export function mergedSettings(under: unknown, over: unknown): unknown {
  if (!isGroup(under) || !isGroup(over)) return over === undefined ? under : over;
  const merged: Record<string, unknown> = { ...under };
  for (const [key, value] of Object.entries(over)) {
    if (key === "__proto__") continue;
    merged[key] = mergedSettings(under[key], value);
  }
  return merged;
}

function variableText(
  env: Readonly<Record<string, string | undefined>>,
  variable: string,
  readFile: (path: string) => string | undefined,
  problems: EnvironmentProblem[],
): string | undefined {
  const direct = env[variable];
  const path = env[`${variable}__FILE`];
  if (path === undefined) return direct;
  if (direct !== undefined && direct !== "") {
    problems.push({
      variable: `${variable}__FILE`,
      reason: `${variable} is set as well and is the one that counts; unset one of them`,
    });
    return direct;
  }
  const text = readFile(path);
  if (text === undefined)
    problems.push({ variable: `${variable}__FILE`, reason: `there is no file ${path}` });
  return text?.replace(/\r?\n$/, "");
}

const switches: Readonly<Record<string, boolean>> = {
  "1": true,
  "0": false,
  yes: true,
  no: false,
  true: true,
  false: false,
};
const factors: Readonly<Record<string, number>> = { "": 1, k: 1024, m: 1024 ** 2, g: 1024 ** 3 };

type Failure = { readonly reason: string };

const conversions: Readonly<
  Record<
    SettingRow["type"],
    (text: string, row: SettingRow) => string | number | boolean | string[] | Failure
  >
> = {
  string: (text, { values }) =>
    values === undefined || values.includes(text)
      ? text
      : { reason: `"${text}" is not one of ${values.join(", ")}` },
  boolean: (text) => switches[text.toLowerCase()] ?? { reason: `"${text}" is neither 1 nor 0` },
  integer(text, { minimum, maximum }) {
    const parts = /^(\d{1,15})([kKmMgG]?)$/.exec(text);
    if (parts === null) return { reason: `"${text}" is not a whole number` };
    const value = Number(parts[1]) * factors[parts[2]!.toLowerCase()]!;
    if (value < (minimum ?? value)) return { reason: `${text} is less than ${minimum}` };
    return value > (maximum ?? value) ? { reason: `${text} is more than ${maximum}` } : value;
  },
  number(text, { minimum, maximum }) {
    const value = /^-?\d{1,9}(?:\.\d{1,6})?$/.test(text) ? Number(text) : Number.NaN;
    if (Number.isNaN(value)) return { reason: `"${text}" is not a number` };
    if (value < (minimum ?? value)) return { reason: `${text} is less than ${minimum}` };
    return value > (maximum ?? value) ? { reason: `${text} is more than ${maximum}` } : value;
  },
  list: (text) => text.split(/[\s,]+/).filter((part) => part !== ""),
  object: () => ({ reason: "this setting cannot be given by a variable" }),
};

function converted(text: string, row: SettingRow): string | number | boolean | string[] | Failure {
  return conversions[row.type](text, row);
}

function put(into: Record<string, unknown>, path: readonly string[], value: unknown): void {
  const [head = "", ...rest] = path;
  if (rest.length === 0) into[head] = value;
  else {
    const group = (into[head] ?? {}) as Record<string, unknown>;
    into[head] = group;
    put(group, rest, value);
  }
}

function isGroup(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
