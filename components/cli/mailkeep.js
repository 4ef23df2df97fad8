#!/usr/bin/env node
// The launcher is plain JavaScript so that an old Node can at least read it, say what is missing and
// stop. Everything else is TypeScript, run as it is (docs/decisions/0001-node-24-runs-typescript.md).
import * as nodeModule from "node:module";
import { fileURLToPath } from "node:url";

const [major, minor] = process.versions.node.split(".").map(Number);
if (major < 22 || (major === 22 && minor < 18)) {
  const root = fileURLToPath(new URL("../../", import.meta.url));
  process.stderr.write(
    `mailkeep needs Node 22.18 or newer to run TypeScript; this is Node ${process.versions.node}.\n` +
      `The repository brings its own Node 24: in ${root} run 'npm ci' and start with 'npm start' or 'npx mailkeep'.\n`,
  );
  process.exit(1);
}
nodeModule.enableCompileCache?.();
const { main } = await import("./main.ts");
process.exitCode = await main(process.argv.slice(2));
