/**
 * Pulumi.yaml: the project's name, its program, and the schema of its configuration
 * (sdk/go/common/workspace/project.go, pkg/workspace/config.go).
 */
import { existsSync, readFileSync } from "node:fs";
import { dirname, join, resolve } from "node:path";
import { parse } from "yaml";
import { EngineError, messageOf } from "../errors.ts";

/** What the schema says about one configuration key. */
export interface ConfigType {
  type?: string;
  items?: { type: string; items?: ConfigType["items"] };
  description?: string;
  default?: unknown;
  value?: unknown;
  secret?: boolean;
}

export interface Project {
  name: string;
  /** Where Pulumi.yaml lies. */
  directory: string;
  /** The program's entry file, absolute. */
  main: string;
  /** The schema by full key, `project:name`. */
  schema: Record<string, ConfigType>;
}

const FILE = "Pulumi.yaml";
const SCHEMA_KEYS = ["type", "items", "description", "default", "value", "secret"];

const isMap = (value: unknown): value is Record<string, unknown> =>
  typeof value === "object" && value !== null && !Array.isArray(value);

/** The project a directory lies in. Throws `config`. */
export function findProject(from: string): Project {
  for (let directory = resolve(from); ; directory = dirname(directory)) {
    if (existsSync(join(directory, FILE))) return readProject(directory);
    if (directory === dirname(directory)) {
      throw new EngineError(
        "config",
        `there is no ${FILE} in ${resolve(from)} or above; run mailkeep inside a project`,
      );
    }
  }
}

function readProject(directory: string): Project {
  const path = join(directory, FILE);
  let file: unknown;
  try {
    file = parse(readFileSync(path, "utf8"));
  } catch (error) {
    throw new EngineError("config", `${path} cannot be read: ${messageOf(error)}`, { cause: error });
  }
  if (!isMap(file) || typeof file.name !== "string")
    throw new EngineError("config", `${path} gives the project no name`);
  const { name } = file;
  const main = join(directory, typeof file.main === "string" ? file.main : "index.ts");
  const entries = Object.entries(isMap(file.config) ? file.config : {});
  const schema = Object.fromEntries(
    entries.map(([key, value]) => [qualifyKey(key, name), isSchema(value) ? value : { default: value }]),
  );
  return { name, directory, main, schema };
}

const isSchema = (value: unknown): value is ConfigType =>
  isMap(value) &&
  Object.keys(value).length > 0 &&
  Object.keys(value).every((key) => SCHEMA_KEYS.includes(key));

/** A configuration key with its namespace: the project's own where none is written. */
export const qualifyKey = (key: string, project: string): string =>
  key.includes(":") ? key : `${project}:${key}`;

/** A value as the program gets it: text as it is, everything else as JSON. */
export const toConfigText = (value: unknown): string =>
  typeof value === "string" ? value : JSON.stringify(value);

/** Whether a value is of a schema's type. `value` is text, or what its JSON says for an object or list. */
export function fits(type: string, items: ConfigType["items"], value: unknown): boolean {
  switch (type) {
    case "string":
      return typeof value === "string";
    case "integer":
      return typeof value === "string" ? /^[+-]?\d+$/.test(value) : Number.isInteger(value);
    case "boolean":
      return value === true || value === false || value === "true" || value === "false";
    case "object":
      return isMap(value);
    default:
      return (
        Array.isArray(value) &&
        items !== undefined &&
        value.every((item) => fits(items.type, items.items, item))
      );
  }
}

/** A configuration value as it was found, decrypted. */
export interface ConfigValue {
  /** Text, or JSON of an object or list. */
  text: string;
  isObject: boolean;
  isSecret: boolean;
}

/**
 * Adds the project's defaults to a stack's values and checks them. Throws `config` naming every key that is missing,
 * and the first one of the wrong type.
 */
export function applySchema(
  project: Project,
  stack: string,
  values: Map<string, ConfigValue>,
): Map<string, ConfigValue> {
  const applied = new Map(values);
  const missing: string[] = [];
  for (const [key, schema] of Object.entries(project.schema)) {
    const found = values.get(key);
    const given = schema.default ?? schema.value;
    if (!found && given !== undefined) {
      applied.set(key, { text: toConfigText(given), isObject: typeof given === "object", isSecret: false });
    } else if (!found && key.startsWith(`${project.name}:`)) {
      missing.push(key);
    } else if (found && schema.type !== undefined) {
      const value = found.isObject ? JSON.parse(found.text) : found.text;
      const named = schema.type === "array" && schema.items ? `array of ${schema.items.type}` : schema.type;
      if (schema.secret && !found.isSecret) {
        throw new EngineError(
          "config",
          `stack '${stack}': '${key}' must be secret; set it again with 'mailkeep config set --secret ${key}'`,
        );
      }
      if (!fits(schema.type, schema.items, value)) {
        throw new EngineError("config", `stack '${stack}': '${key}' must be of type ${named}`);
      }
    }
  }
  if (missing.length > 0) {
    const keys = missing.map((key) => `'${key}'`).join(", ");
    throw new EngineError(
      "config",
      `stack '${stack}' has no value for ${keys}; set it with 'mailkeep config set'`,
    );
  }
  return applied;
}
