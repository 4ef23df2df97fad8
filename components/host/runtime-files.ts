/**
 * The server as files that run anywhere Node does: its sources (JavaScript where this is the installed package, TypeScript in
 * a checkout, which Node runs as it is) and the npm packages they import, with what those need in turn. A machine gets them
 * as one archive whose name says what is in it.
 */
import { createHash } from "node:crypto";
import { existsSync, globSync, readFileSync, realpathSync } from "node:fs";
import { dirname, join, relative } from "node:path";
import type { Readable } from "node:stream";
import { fileURLToPath } from "node:url";
import { createGzip } from "node:zlib";
import { pack } from "tar-stream";
import { moduleGraph } from "../../build/module-graph.ts";

const extension = import.meta.url.endsWith(".ts") ? "ts" : "js";
const packageRoot = fileURLToPath(new URL("../../", import.meta.url));
const entryOf = (program: string) => `mailserver-runtime/${program}.${extension}`;

/** The server's program and its command line, from the root of the files. */
export const runtimePrograms = { server: entryOf("main"), commandLine: entryOf("cli/main") } as const;

/** Where a package is found here, and where it lies among the files. */
export interface TakenPackage {
  readonly from: string;
  readonly to: string;
  /** `zod@4.6.7` */
  readonly id: string;
}

export interface RuntimeFiles {
  /** `0.1.0+` and twelve hex digits over all that is in it. */
  readonly version: string;
  readonly modules: readonly string[];
  readonly packages: readonly TakenPackage[];
}

let taken: RuntimeFiles | undefined;

/** What an archive would hold now. Read once a process. */
export function runtimeFiles(): RuntimeFiles {
  taken ??= collect(packageRoot);
  return taken;
}

function collect(root: string): RuntimeFiles {
  const entries = [runtimePrograms.server, runtimePrograms.commandLine, entryOf("workers/main")];
  const graph = moduleGraph(root, entries, withoutTypeImports);
  const modules = [...graph.modules.keys()].sort();
  const packages = packageClosure(root, [...graph.packages].sort());
  const hash = createHash("sha256");
  for (const module of modules)
    hash
      .update(`${module}\0`)
      .update(readFileSync(join(root, module)))
      .update("\0");
  for (const { to, id } of packages) hash.update(`${to} ${id}\n`);
  return { version: `${manifestOf(root).version}+${hash.digest("hex").slice(0, 12)}`, modules, packages };
}

/** An import of types alone asks for no package where the program runs. */
const withoutTypeImports = (source: string) => source.replace(/^(?:import|export) type\b[^;]*;/gm, "");

interface Manifest {
  readonly name: string;
  readonly version: string;
  readonly dependencies?: Readonly<Record<string, string>>;
  readonly optionalDependencies?: Readonly<Record<string, string>>;
}

const manifestOf = (directory: string): Manifest =>
  JSON.parse(readFileSync(join(directory, "package.json"), "utf8")) as Manifest;

/** The packages and all they depend on, placed so that Node resolves each name to the version found here. */
export function packageClosure(root: string, names: readonly string[]): TakenPackage[] {
  const placed = new Map<string, TakenPackage>();
  const waiting = names.map((name) => ({ name, needs: root, place: "", optional: false }));
  for (let next = waiting.shift(); next; next = waiting.shift()) {
    const { name, needs, place, optional } = next;
    const from = find(name, needs);
    if (from === undefined) {
      // One that only some systems have.
      if (optional) continue;
      throw new Error(
        `The package ${name}, which the server needs, is not installed beside mailkeep: run 'npm install'.`,
      );
    }
    const top = `node_modules/${name}`;
    const above = placed.get(top);
    const to = above === undefined || above.from === from ? top : `${place}/node_modules/${name}`;
    if (placed.has(to)) continue;
    const manifest = manifestOf(from);
    placed.set(to, { from, to, id: `${name}@${manifest.version}` });
    for (const [needed, ofSome] of [
      ...Object.keys(manifest.dependencies ?? {}).map((key) => [key, false] as const),
      ...Object.keys(manifest.optionalDependencies ?? {}).map((key) => [key, true] as const),
    ])
      waiting.push({ name: needed, needs: from, place: to, optional: ofSome });
  }
  return [...placed.values()].sort((left, right) => (left.to < right.to ? -1 : 1));
}

/** As Node resolves: the nearest node_modules upwards that has it. */
function find(name: string, from: string): string | undefined {
  for (let directory = from; ; directory = dirname(directory)) {
    const candidate = join(directory, "node_modules", name);
    if (existsSync(join(candidate, "package.json"))) return realpathSync(candidate);
    if (directory === dirname(directory)) return undefined;
  }
}

/** Typings, source maps and texts serve nobody on a mail host. */
const left =
  /\.(?:d\.[cm]?ts|[cm]?ts|map|md|markdown|flow)$|(?:^|\/)(?:test|tests|__tests__|example|examples|docs|benchmark|benchmarks)\//;

/** The files as a gzip-compressed tar stream (POSIX.1-2001 ustar), the same bytes for the same version. */
export function runtimeArchive({ modules, packages, version }: RuntimeFiles): Readable {
  const archive = pack();
  const fill = async () => {
    const [release] = version.split("+");
    await entry(
      "package.json",
      Buffer.from(JSON.stringify({ name: "mailkeep", version: release, type: "module" })),
    );
    for (const module of modules) await entry(module, readFileSync(join(packageRoot, module)));
    for (const { from, to } of packages) {
      const files = globSync("**/*", {
        cwd: from,
        withFileTypes: true,
        exclude: (name) => name.name === "node_modules",
      });
      const names = files
        .filter((file) => file.isFile())
        .map((file) => relative(from, join(file.parentPath, file.name)));
      for (const name of names.filter((name) => !left.test(name)).sort())
        await entry(`${to}/${name}`, readFileSync(join(from, name)));
    }
    archive.finalize();
  };
  const entry = (name: string, content: Buffer) =>
    new Promise<void>((written, failed) => {
      archive.entry({ name, mode: 0o644, mtime: new Date(0) }, content, (error) =>
        error ? failed(error) : written(),
      );
    });
  const compressed = createGzip();
  fill().catch((error) => archive.destroy(error));
  archive.on("error", (error) => compressed.destroy(error));
  return archive.pipe(compressed);
}
