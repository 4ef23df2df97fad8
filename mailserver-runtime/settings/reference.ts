/**
 * The reference of all settings, docs/reference/settings.md, from the schema. Pure; `write-reference.ts`
 * puts it in its place and a test holds the file to it.
 */
import { elementKinds, type SettingRow, settingGroups, settingRows } from "./rows.ts";
import { unsupportedVariables } from "./unsupported-variables.ts";

/** The page's whole text. */
export function settingsReference(): string {
  const top = settingRows.filter((row) => !row.key.includes("."));
  const groups = [...settingGroups].map(([group, description]) =>
    section(
      group,
      description,
      settingRows.filter((row) => row.key.startsWith(`${group}.`)),
    ),
  );
  return `${[intro, table(top), ...groups, ...settingRows.filter(isList).flatMap(elements), variables()].join("\n\n")}\n`;
}

const intro = `# Settings

Made from \`mailserver-runtime/settings/schema.ts\` by \`node mailserver-runtime/settings/write-reference.ts\`; change it there.

A stack declares these under \`settings\`; they reach the server as \`config/stack/settings.json\`. Where a docker-mailserver variable is named, the environment supplies what the file leaves out. An unknown setting is an error that names the nearest known one.`;

function section(name: string, description: string, rows: readonly SettingRow[]): string {
  return [`## ${name}`, ...(description === "" ? [] : [description]), table(rows)].join("\n\n");
}

function elements(row: SettingRow): string[] {
  return elementKinds(row.key).map(({ type, rows }) =>
    section(`Each of \`${row.key}\`${type === undefined ? "" : `, type \`${type}\``}`, "", rows),
  );
}

function isList(row: SettingRow): boolean {
  return row.type === "list" && elementKinds(row.key).length > 0;
}

function table(rows: readonly SettingRow[]): string {
  const lines = rows.map(
    (row) => `| \`${row.key}\` | ${typeText(row)} | ${defaultText(row)} | ${cell(row.description)} |`,
  );
  return ["| Setting | Type | Default | Meaning |", "|---|---|---|---|", ...lines].join("\n");
}

function variables(): string {
  const lines = settingRows
    .filter((row) => row.dms !== undefined)
    .map((row) => `| \`${row.dms}\` | \`${row.key}\` |`);
  const others = unsupportedVariables
    .toSorted((a, b) => (a.name < b.name ? -1 : 1))
    .map(({ name, instead }) => `| \`${name}\` | ${cell(instead)} |`);
  return [
    "## docker-mailserver variables",
    "Any of them may be given as `<VARIABLE>__FILE` with the path of a file that holds the value.",
    ["| Variable | Setting |", "|---|---|", ...lines].join("\n"),
    "These about sending and receiving set nothing; a value that asks for something else than what is done anyway is a configuration problem, named in the log and in `status`.",
    ["| Variable | Instead |", "|---|---|", ...others].join("\n"),
  ].join("\n\n");
}

function typeText({ type, values, minimum, maximum }: SettingRow): string {
  if (values !== undefined) return values.map((value) => `\`${value}\``).join(", ");
  if (type !== "integer") return type;
  const top = maximum === undefined || maximum === Number.MAX_SAFE_INTEGER ? undefined : maximum;
  const bottom = minimum === undefined || minimum === Number.MIN_SAFE_INTEGER ? undefined : minimum;
  if (top !== undefined) return `integer, ${bottom ?? "…"} to ${top}`;
  return bottom === undefined ? "integer" : `integer, at least ${bottom}`;
}

function defaultText(row: SettingRow): string {
  if (row.default === undefined) return row.required ? "must be given" : "none";
  const listed = isList(row) && Array.isArray(row.default) && row.default.length > 0;
  return listed ? `${row.default.length} of them, below` : `\`${JSON.stringify(row.default)}\``;
}

function cell(text: string): string {
  return text.replaceAll("|", "\\|");
}
