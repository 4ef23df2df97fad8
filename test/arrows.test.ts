/**
 * The arrows between rooms (DESIGN, "The house"): `index.ts` → `components` → the few pure parts of the
 * runtime that both sides need. The runtime never imports Pulumi, components never import protocol code,
 * and a room's inside is reached by relative imports only. Read off the sources' own import statements.
 */
import assert from "node:assert/strict";
import * as fs from "node:fs";
import * as path from "node:path";
import { test } from "node:test";

const root = path.resolve(import.meta.dirname, "..");
/** What components may import of the runtime. */
const shared = [
  /^mailserver-runtime\/settings\//,
  /^mailserver-runtime\/admin\/(contract|[a-z]+-lines)\.ts$/,
  /^mailserver-runtime\/dns\/records\.ts$/,
];

interface Import {
  readonly from: string;
  readonly to: string;
}
function sources(): string[] {
  return ["index.ts", "components/**/*.ts", "mailserver-runtime/**/*.ts"]
    .flatMap((pattern) => fs.globSync(pattern, { cwd: root, exclude: (name) => name === "node_modules" }))
    .filter((file) => !file.endsWith(".test.ts") && !file.includes("/test/"));
}
/** Imports of a file: relative ones resolved to a path from the root, packages by their name. */
function importsOf(file: string): Import[] {
  const text = fs.readFileSync(path.join(root, file), "utf8");
  // Statements that begin a line, and calls of import(): what stands in a comment or a string is no import.
  const statements = text.matchAll(/^(?:import|export)\b(?:[^"';]*?\bfrom)?\s*["']([^"'\n]+)["']/gm);
  const calls = text.matchAll(/(?<!\*.*)\bimport\(\s*["']([^"'\n]+)["']\s*\)/g);
  const specifiers = [...statements, ...calls].map((found) => found[1]!);
  return specifiers.map((to) => ({
    from: file,
    to: to.startsWith(".") ? path.relative(root, path.resolve(root, path.dirname(file), to)) : to,
  }));
}
const all = sources().flatMap(importsOf);
function breaking(rule: (one: Import) => boolean): string[] {
  return all.filter(rule).map((one) => `${one.from} → ${one.to}`);
}

test("index.ts imports components and Pulumi, nothing else", () => {
  assert.deepEqual(
    breaking(
      ({ from, to }) => from === "index.ts" && !to.startsWith("components/") && to !== "@pulumi/pulumi",
    ),
    [],
  );
});

test("the runtime never imports Pulumi or components", () => {
  assert.deepEqual(
    breaking(
      ({ from, to }) =>
        from.startsWith("mailserver-runtime/") && (to.startsWith("@pulumi/") || to.startsWith("components/")),
    ),
    [],
  );
});

test("components import only the pure parts of the runtime", () => {
  assert.deepEqual(
    breaking(
      ({ from, to }) =>
        from.startsWith("components/") &&
        to.startsWith("mailserver-runtime/") &&
        !shared.some((pure) => pure.test(to)),
    ),
    [],
  );
});

test("what components import of the runtime is pure: below it stand zod and other pure files alone", () => {
  const reached = new Set(
    all
      .filter(({ from, to }) => from.startsWith("components/") && to.startsWith("mailserver-runtime/"))
      .map(({ to }) => to),
  );
  const impure: string[] = [];
  for (const file of reached)
    for (const { from, to } of all.filter((one) => one.from === file))
      if (to.startsWith("mailserver-runtime/")) reached.add(to);
      else if (to !== "zod") impure.push(`${from} → ${to}`);
  assert.deepEqual(impure, []);
});

test("every relative import names its file with its ending", () => {
  assert.deepEqual(
    breaking(
      ({ to }) =>
        (to.startsWith("components/") || to.startsWith("mailserver-runtime/")) && !/\.(ts|js|json)$/.test(to),
    ),
    [],
  );
});

test("the rule sees imports at all", () => {
  assert.ok(all.length > 100);
  assert.ok(all.some(({ to }) => to.startsWith("mailserver-runtime/dns/")));
});
