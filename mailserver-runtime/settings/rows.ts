/**
 * The settings schema as a flat table, one row a setting: what the reference in docs/, the DMS variables and
 * the messages about unknown keys are made from.
 */
import { z } from "zod";
import { settingsSchema } from "./schema.ts";

export interface SettingRow {
  /** Dotted, `message.sizeLimit`. */
  readonly key: string;
  readonly type: SettingType;
  /** Every value it may have, for a closed list. */
  readonly values: readonly string[] | undefined;
  readonly minimum: number | undefined;
  readonly maximum: number | undefined;
  /** undefined: none; the setting is then optional or `required`. */
  readonly default: unknown;
  readonly required: boolean;
  readonly description: string;
  /** The DMS variable that supplies it. */
  readonly dms: string | undefined;
}
export type SettingType = "string" | "integer" | "number" | "boolean" | "list" | "object";

/** The part of JSON Schema that our schema uses. */
interface Node {
  readonly type?: string;
  readonly properties?: Readonly<Record<string, Node>>;
  readonly required?: readonly string[];
  readonly items?: Node;
  readonly enum?: readonly string[];
  readonly const?: string;
  /** A list whose elements are of several kinds, told apart by `type`. */
  readonly oneOf?: readonly Node[];
  readonly minimum?: number;
  readonly maximum?: number;
  readonly default?: unknown;
  readonly description?: string;
  readonly dms?: string;
}

const root = z.toJSONSchema(settingsSchema, { io: "input" }) as Node;

/** All settings in the schema's order; groups are not rows of their own. */
export const settingRows: readonly SettingRow[] = rowsOf(root, "");

/** What a group of settings is for, by its key: "tls", "delivery". */
export const settingGroups: ReadonlyMap<string, string> = new Map(
  Object.entries(root.properties ?? {})
    .filter(([, node]) => node.properties !== undefined)
    .map(([key, node]) => [key, node.description ?? ""]),
);

/** One kind of element that a list setting has, by its `type` where there are several. */
export interface ElementKind {
  readonly type: string | undefined;
  readonly rows: readonly SettingRow[];
}

/** The kinds of element of a list setting ("listeners"); none where its elements are no objects. */
export function elementKinds(key: string): readonly ElementKind[] {
  const items = key.split(".").reduce<Node | undefined>((at, part) => at?.properties?.[part], root)?.items;
  const kinds = items?.oneOf ?? (items === undefined ? [] : [items]);
  return kinds
    .filter(({ properties }) => properties !== undefined)
    .map((kind) => ({ type: kind.properties?.type?.const, rows: rowsOf(kind, "") }));
}

/** Rows of the elements of a list setting, of whichever kind. */
export const elementRows = (key: string): readonly SettingRow[] =>
  elementKinds(key).flatMap(({ rows }) => rows);

function rowsOf(node: Node, prefix: string): SettingRow[] {
  return Object.entries(node.properties ?? {}).flatMap(([name, child]) => {
    const key = `${prefix}${name}`;
    if (child.properties !== undefined) return rowsOf(child, `${key}.`);
    return [
      {
        key,
        type: typeOf(child),
        values: child.const === undefined ? child.enum : [child.const],
        minimum: child.minimum,
        maximum: child.maximum,
        default: child.default,
        required: node.required?.includes(name) === true,
        description: child.description ?? "",
        dms: child.dms,
      },
    ];
  });
}

function typeOf(node: Node): SettingType {
  if (node.type === "array") return "list";
  if (node.type === "integer" || node.type === "number") return node.type;
  return node.type === "boolean" ? "boolean" : node.type === "object" ? "object" : "string";
}
