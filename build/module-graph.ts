/**
 * Which files of the sources a program needs: those its imports lead to. So a build leaves tests and what serves them
 * behind without a list of them, and knows the packages that must be there.
 *
 * Imports are read from the text, types already taken out: relative specifiers and `new URL("./x.ts", import.meta.url)`
 * for a thread or a child process.
 */
import { existsSync, readFileSync } from "node:fs";
import { stripTypeScriptTypes } from "node:module";
import { dirname, relative, resolve } from "node:path";

export interface ModuleGraph {
  /** JavaScript by the source's path from the root; specifiers still name the sources. */
  readonly modules: ReadonlyMap<string, string>;
  /** Names of the npm packages that are imported. */
  readonly packages: ReadonlySet<string>;
}

const relativeSpecifier = /(["'])(\.{1,2}\/[^"'\n]+\.(?:[cm]?[jt]s))\1/g;
const packageSpecifier =
  /(?:^(?:import|export)\b(?:[^"';]*?\bfrom)?\s*|\bimport\(\s*|\brequire\(\s*|\bcreateRequire\([^)]*\)\(\s*)(["'])((?:@[a-z0-9-]+\/)?[a-z0-9][a-z0-9._-]*)(?:\/[^"'\n]*)?\1/gm;

/** Follows the imports from `entries`, paths from `root`. `untyped` takes the types out of a TypeScript file. */
export function moduleGraph(
  root: string,
  entries: readonly string[],
  untyped: (source: string) => string = stripTypeScriptTypes,
): ModuleGraph {
  const modules = new Map<string, string>();
  const packages = new Set<string>();
  const waiting = [...entries];
  for (let file = waiting.pop(); file !== undefined; file = waiting.pop()) {
    if (modules.has(file)) continue;
    const source = readFileSync(resolve(root, file), "utf8");
    const text = file.endsWith(".ts") ? untyped(source) : source;
    modules.set(file, text);
    for (const [, , specifier] of text.matchAll(relativeSpecifier)) {
      const path = resolve(root, dirname(file), specifier!);
      // What is no file is a text that looks like a specifier, in a comment for instance.
      if (existsSync(path)) waiting.push(relative(root, path));
    }
    for (const [, , name] of text.matchAll(packageSpecifier)) packages.add(name!);
  }
  return { modules, packages };
}

/** The module as it is written: what named a TypeScript file names the JavaScript made of it. */
export function compiled(text: string): string {
  return text.replace(
    relativeSpecifier,
    (_, quote, specifier) => quote + specifier.replace(/\.ts$/, ".js") + quote,
  );
}
