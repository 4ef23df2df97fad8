/**
 * The one step that makes JavaScript: for what is installed, because Node refuses TypeScript below node_modules. The npm
 * package (`package.ts`) and the image (`image.ts`) are made of its files; a checkout runs its sources as they are.
 *
 * Types are taken out as Node takes them out when it runs a source, so lines and columns stay and what is shipped is what
 * was tested. The tree keeps its shape: what finds its neighbours by `import.meta.url` finds them there too.
 */
import { cpSync, mkdirSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { compiled, moduleGraph } from "./module-graph.ts";

/** The checkout. */
export const root = fileURLToPath(new URL("../", import.meta.url));

/** Where the server's programs begin: the server, a worker of it, its command line. */
export const runtimeEntries: readonly string[] = [
  "mailserver-runtime/main.ts",
  "mailserver-runtime/workers/main.ts",
  "mailserver-runtime/cli/main.ts",
];
/** Where the library, the command line and the provider's plugin begin. */
export const stackEntries: readonly string[] = [
  "components/index.ts",
  "components/cli/mailkeep.js",
  "components/provider/index.js",
];

export interface Javascript {
  /** The sources that were taken. */
  readonly modules: readonly string[];
  /** npm packages these import. */
  readonly packages: readonly string[];
}

/** Writes the programs that begin at `entries` below `into`, which is emptied first. */
export function makeJavascript(entries: readonly string[], into: string): Javascript {
  rmSync(into, { recursive: true, force: true });
  const { modules, packages } = moduleGraph(root, entries);
  for (const [source, text] of modules) {
    const path = join(into, source.replace(/\.ts$/, ".js"));
    mkdirSync(dirname(path), { recursive: true });
    writeFileSync(path, compiled(text));
  }
  return { modules: [...modules.keys()].sort(), packages: [...packages].sort() };
}

/** Copies files or folders of the checkout to the same place below `into`. */
export function copyAssets(assets: readonly string[], into: string): void {
  for (const asset of assets) cpSync(join(root, asset), join(into, asset), { recursive: true });
}
