/**
 * `npm run build`: the npm package in dist/, as `npm pack ./dist` takes it. JavaScript with its types, the provider's
 * plugin with its schema, the server, and the documentation of this version.
 */
import { execFileSync } from "node:child_process";
import { globSync, readFileSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { copyAssets, makeJavascript, root, runtimeEntries, stackEntries } from "./javascript.ts";
import { compiled } from "./module-graph.ts";

const assets = [
  "README.md",
  "CHANGELOG.md",
  "LICENSE",
  "docs",
  "components/provider/schema.json",
  "components/provider/PulumiPlugin.yaml",
  "components/provider/package.json",
];

interface Manifest {
  readonly [field: string]: unknown;
  readonly dependencies: Readonly<Record<string, string>>;
}

/** The checkout's manifest without what serves the checkout only. */
function packageManifest({ scripts, allowScripts, devDependencies, ...kept }: Manifest): Manifest {
  return {
    ...kept,
    main: "./components/index.js",
    types: "./components/index.d.ts",
    exports: {
      ".": { types: "./components/index.d.ts", default: "./components/index.js" },
      "./package.json": "./package.json",
    },
    bin: { mailkeep: "components/cli/mailkeep.js" },
    // A package is run by the Node of whoever installs it.
    engines: { node: ">=22.18" },
  };
}

const into = join(root, "dist");
makeJavascript([...stackEntries, ...runtimeEntries], into);
copyAssets(assets, into);
const manifest = JSON.parse(readFileSync(join(root, "package.json"), "utf8")) as Manifest;
writeFileSync(join(into, "package.json"), `${JSON.stringify(packageManifest(manifest), null, 2)}\n`);
const compiler = join(
  dirname(createRequire(import.meta.url).resolve("typescript/package.json")),
  "lib/tsc.js",
);
execFileSync(process.execPath, [compiler, "-p", join(root, "build/tsconfig.json")], { stdio: "inherit" });
// The compiler leaves the sources' names in declarations.
for (const declarations of globSync("**/*.d.ts", { cwd: into })) {
  const path = join(into, declarations);
  writeFileSync(path, compiled(readFileSync(path, "utf8")));
}
