/**
 * `npm run build:image`: what mailserver-runtime/Dockerfile copies, in dist-image, laid out as in the container.
 *
 * The image carries the server and its command line only: their modules, the npm packages these import with what those need,
 * the documentation of this version, and the Node this checkout was tested with.
 */
import {
  chmodSync,
  cpSync,
  existsSync,
  mkdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { createRequire } from "node:module";
import { dirname, join, relative } from "node:path";
import { fingerprint } from "../components/host/local/runtime.ts";
import { copyAssets, makeJavascript, root, runtimeEntries } from "./javascript.ts";

const HOME = "usr/lib/mailkeep";
const commands = ["mailkeep", "setup"];
/** What packages bring and no program reads. */
const unread = /\.(?:map|d\.[cm]?ts|md|markdown|tsbuildinfo)$/i;
const unreadFolders = new Set(["test", "tests", "__tests__", "examples", "docs", "benchmark", ".github"]);

/** Folders of the packages and of everything they depend on, from the checkout's root; nested ones are within them. */
export function packageFolders(names: readonly string[]): readonly string[] {
  const found = new Set<string>();
  const visit = (name: string, from: string) => {
    const folder = folderOf(name, from);
    if (folder === undefined || found.has(folder)) return;
    found.add(folder);
    const { dependencies = {} } = JSON.parse(readFileSync(join(folder, "package.json"), "utf8")) as {
      dependencies?: Record<string, string>;
    };
    for (const dependency of Object.keys(dependencies)) visit(dependency, folder);
  };
  for (const name of names) visit(name, root);
  return [...found].map((folder) => relative(root, folder)).sort();
}

/** As Node looks for it: in node_modules of each folder upwards. */
function folderOf(name: string, from: string): string | undefined {
  for (let at = from; ; at = dirname(at)) {
    const folder = join(at, "node_modules", name);
    if (existsSync(join(folder, "package.json"))) return folder;
    if (at === dirname(at)) return undefined;
  }
}

/** Assembles the files below `into`, which is emptied first; gives their version. */
export function makeImageFiles(into: string): string {
  rmSync(into, { recursive: true, force: true });
  const home = join(into, HOME);
  const { packages } = makeJavascript([...runtimeEntries, "mailserver-runtime/container/entry.ts"], home);
  copyAssets(["docs", "CHANGELOG.md", "LICENSE"], home);
  for (const folder of packageFolders(packages))
    cpSync(join(root, folder), join(home, folder), {
      recursive: true,
      filter: (path) => {
        const below = relative(join(root, folder), path);
        // Nested packages come by their own entry in the list.
        return (
          !unread.test(path) &&
          !below.split("/").some((part) => part === "node_modules" || unreadFolders.has(part))
        );
      },
    });
  const { name, version, license } = JSON.parse(readFileSync(join(root, "package.json"), "utf8")) as Record<
    string,
    string
  >;
  writeFileSync(
    join(home, "package.json"),
    `${JSON.stringify({ name, version, license, type: "module" })}\n`,
  );
  // What a stack names the image by, so that other code is another image.
  writeFileSync(join(home, "fingerprint"), `${fingerprint(root)}\n`);
  const bin = join(into, "usr/local/bin");
  mkdirSync(bin, { recursive: true });
  cpSync(nodeBinary(), join(bin, "node"));
  for (const command of commands) {
    const first = command === "setup" ? "setup " : "";
    writeFileSync(
      join(bin, command),
      `#!/bin/sh\nexec /usr/local/bin/node /${HOME}/mailserver-runtime/container/entry.js ${first}"$@"\n`,
    );
    chmodSync(join(bin, command), 0o755);
  }
  return version!;
}

/** The npm package `node`'s: a program that needs nothing but the C library. */
function nodeBinary(): string {
  const path = join(dirname(createRequire(import.meta.url).resolve("node/package.json")), "bin/node");
  if (!statSync(path, { throwIfNoEntry: false })) throw new Error(`there is no ${path}; run 'npm ci'`);
  return path;
}

if (import.meta.main) {
  const into = join(root, "dist-image");
  const version = makeImageFiles(into);
  process.stdout.write(`dist-image holds mailkeep ${version}\n`);
}
