/**
 * Pulumi.<stack>.yaml, read and written as Pulumi does (sdk/go/common/resource/config, workspace/project.go):
 * `config` with full keys, secrets as `secure: v1:...`, also inside objects, and `encryptionsalt`. Comments and
 * the order of the keys stay when a value is set.
 */
import { readFileSync } from "node:fs";
import { type Document, isMap as isYamlMap, parseDocument } from "yaml";
import { EngineError, messageOf } from "../errors.ts";
import { formatPath, type PropertyPath } from "../property-path.ts";
import { writeDurably } from "../state/durable-file.ts";
import type { SecretsManager } from "../state/passphrase.ts";
import { type ConfigValue, toConfigText } from "./project.ts";

const SECURE = "secure";

const isMap = (value: unknown): value is Record<string, unknown> =>
  typeof value === "object" && value !== null && !Array.isArray(value);

const isSecure = (value: unknown): value is { secure: string } =>
  isMap(value) && Object.keys(value).length === 1 && typeof value[SECURE] === "string";

/** Whether a secret stands anywhere in a value of the file. */
export const containsSecure = (value: unknown): boolean =>
  isSecure(value) ||
  (typeof value === "object" && value !== null && Object.values(value).some(containsSecure));

export class StackConfig {
  readonly path: string;
  readonly #document: Document;

  private constructor(path: string, document: Document) {
    this.path = path;
    this.#document = document;
  }

  /** Reads a file; one that does not exist is empty. Throws `config` with the line of a mistake. */
  static read(path: string): StackConfig {
    let text = "";
    try {
      text = readFileSync(path, "utf8");
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== "ENOENT") {
        throw new EngineError("config", `${path} cannot be read: ${messageOf(error)}`, { cause: error });
      }
    }
    const document = parseDocument(text);
    const mistake = document.errors[0];
    if (mistake) throw new EngineError("config", `${path}: ${mistake.message}`);
    const config: unknown = document.toJS()?.config ?? {};
    if (!isMap(config)) throw new EngineError("config", `${path}: 'config' must hold keys and values`);
    return new StackConfig(path, document);
  }

  get salt(): string | undefined {
    const salt: unknown = this.#document.get("encryptionsalt");
    return typeof salt === "string" ? salt : undefined;
  }

  /** The values as they are written, by full key. */
  raw(): Record<string, unknown> {
    return this.#document.toJS()?.config ?? {};
  }

  /** Whether a value needs the passphrase. */
  get hasSecrets(): boolean {
    return containsSecure(this.raw());
  }

  /** Every value, decrypted. `secrets` is asked only when there is one. */
  async values(secrets: () => Promise<SecretsManager>): Promise<Map<string, ConfigValue>> {
    const manager = this.hasSecrets ? await secrets() : undefined;
    const open = (value: unknown): unknown => {
      if (isSecure(value)) return manager?.decrypt(value.secure);
      if (Array.isArray(value)) return value.map(open);
      return isMap(value)
        ? Object.fromEntries(Object.entries(value).map(([key, item]) => [key, open(item)]))
        : value;
    };
    const values = new Map<string, ConfigValue>();
    for (const [key, value] of Object.entries(this.raw())) {
      const isObject = typeof value === "object" && value !== null && !isSecure(value);
      values.set(key.replace(":config:", ":"), {
        text: toConfigText(open(value) ?? ""),
        isObject,
        isSecret: containsSecure(value),
      });
    }
    return values;
  }

  /** Sets a value, or one place in it. A secret is given encrypted. */
  set(key: string, path: PropertyPath, value: unknown): void {
    this.#ensureMap("config");
    const place = ["config", key, ...path];
    for (let depth = 2; depth < place.length; depth += 1) {
      const there = this.#document.getIn(place.slice(0, depth));
      if (there === undefined || there === null) {
        this.#document.setIn(
          place.slice(0, depth),
          this.#document.createNode(typeof place[depth] === "number" ? [] : {}),
        );
      } else if (typeof there !== "object") {
        throw new EngineError(
          "config",
          `${this.path}: '${key}${depth > 2 ? `.${formatPath(path.slice(0, depth - 2))}` : ""}' already holds a plain value`,
        );
      }
    }
    this.#document.setIn(place, this.#document.createNode(value));
  }

  /** Removes a value, or one place in it; false where there is none. */
  remove(key: string, path: PropertyPath): boolean {
    return this.#document.deleteIn(["config", key, ...path]);
  }

  setSalt(salt: string): void {
    this.#ensureMap();
    this.#document.set("encryptionsalt", salt);
  }

  #ensureMap(key?: string): void {
    if (!isYamlMap(this.#document.contents)) this.#document.contents = this.#document.createNode({});
    if (key !== undefined && !isYamlMap(this.#document.get(key)))
      this.#document.set(key, this.#document.createNode({}));
  }

  /** The file's text. */
  toString(): string {
    return this.#document.toString({ lineWidth: 0 });
  }

  /** Writes the file where `path` says, or back where it came from. */
  async write(path = this.path, mode = 0o644): Promise<void> {
    await writeDurably(path, this.toString(), mode);
  }
}
