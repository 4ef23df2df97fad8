/**
 * A small provider for tests that makes real files: `files:index:File` with `path`, `content` and an optional
 * `mode`. The path is what identifies an object; another path is a replacement. `upper` is an output derived from
 * the content, `digest` one that is stable for the same content. Every call that changes something is noted.
 */
import { createHash } from "node:crypto";
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import {
  PartialFailure,
  type PropertyDiff,
  type PropertyMap,
  type ResourceProvider,
  UNKNOWN,
} from "../provider.ts";
import { equal, plainMap, secret } from "../wire.ts";

export interface FileProviderOptions {
  /** Where the files are made, unless the provider resource says otherwise. */
  directory: string;
  /** One line a call: "create notes/a", "update …", "delete …", "read …". */
  calls?: string[];
  /** Called in the middle of each change; what it throws is the provider's failure. */
  interrupt?: (call: string) => void | Promise<void>;
  /** Whether a replacement must delete first. */
  deleteBeforeReplace?: boolean;
  /** Properties whose change replaces the object. */
  replacing?: readonly string[];
}

const digestOf = (text: string) => createHash("sha256").update(text).digest("hex").slice(0, 12);

export function fileProvider(options: FileProviderOptions): ResourceProvider {
  let directory = options.directory;
  const replacing = options.replacing ?? ["path"];
  const note = async (call: string) => {
    options.calls?.push(call);
    await options.interrupt?.(call);
  };
  const fileOf = (path: string) => join(directory, path);
  const outputsOf = (inputs: PropertyMap): PropertyMap => {
    const { path, content } = plainMap(inputs) as { path: string; content: string };
    const derived =
      content === UNKNOWN ? {} : { upper: secret(content.toUpperCase()), digest: digestOf(content) };
    return { path, content, ...derived };
  };
  const write = (inputs: PropertyMap) => {
    const { path, content } = plainMap(inputs) as { path: string; content: string };
    mkdirSync(dirname(fileOf(path)), { recursive: true });
    writeFileSync(fileOf(path), content);
  };

  return {
    async checkConfig({ news }) {
      return { inputs: news, failures: [] };
    },
    async diffConfig({ oldInputs, news }) {
      const same = equal(oldInputs.directory, news.directory);
      return {
        changes: same ? "none" : "some",
        replaces: same || news.directory === UNKNOWN ? [] : ["directory"],
        deleteBeforeReplace: false,
        detailedDiff: {},
      };
    },
    async configure({ inputs }) {
      if (typeof inputs.directory === "string") directory = inputs.directory;
    },
    async check({ news }) {
      const { path } = plainMap(news);
      const failures =
        typeof path === "string" && path !== "" ? [] : [{ property: "path", reason: "a file needs a path" }];
      return { inputs: news, failures };
    },
    async diff({ oldInputs, olds, news }) {
      const [before, after] = [plainMap(oldInputs), plainMap(news)];
      const drifted = plainMap(olds).content !== before.content;
      const keys = [...new Set([...Object.keys(before), ...Object.keys(after)])].filter(
        (key) => !equal(before[key], after[key]),
      );
      const detailedDiff: Record<string, PropertyDiff> = Object.fromEntries(
        keys.map((key) => [
          key,
          { kind: replacing.includes(key) ? "update-replace" : "update", inputDiff: true },
        ]),
      );
      if (drifted && keys.length === 0) detailedDiff.content = { kind: "update", inputDiff: false };
      return {
        changes: keys.length > 0 || drifted ? "some" : "none",
        replaces: keys.filter((key) => replacing.includes(key)),
        deleteBeforeReplace: options.deleteBeforeReplace ?? false,
        detailedDiff,
      };
    },
    async create({ inputs, preview }) {
      const { path, content } = plainMap(inputs) as { path: string; content: string };
      if (preview) return { id: "", outputs: outputsOf(inputs) };
      await note(`create ${path}`);
      write(inputs);
      await note(`created ${path}`);
      if (content === "half")
        throw new PartialFailure({ id: path, outputs: outputsOf(inputs), reasons: ["only half of it"] });
      return { id: path, outputs: outputsOf(inputs) };
    },
    async update({ id, news, preview }) {
      if (preview) return { outputs: outputsOf(news) };
      await note(`update ${id}`);
      write(news);
      await note(`updated ${id}`);
      return { outputs: outputsOf(news) };
    },
    async read({ id, inputs, state }) {
      if (!existsSync(fileOf(id))) return { id: "", inputs: {}, outputs: {} };
      const content = readFileSync(fileOf(id), "utf8");
      const old = plainMap(inputs);
      const asked = Object.keys(inputs).length === 0 ? { path: id, content } : inputs;
      return {
        id,
        inputs: asked,
        outputs: old.content === content ? state : outputsOf({ path: id, content }),
      };
    },
    async delete({ id }) {
      await note(`delete ${id}`);
      rmSync(fileOf(id), { force: true });
      await note(`deleted ${id}`);
    },
    async cancel() {},
  };
}
