/**
 * The mail server's code beside this package, and the environment its processes get on this machine.
 */
import { createHash } from "node:crypto";
import { globSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

const extension = import.meta.url.endsWith(".ts") ? "ts" : "js";
const packageRoot = fileURLToPath(new URL("../../../", import.meta.url));

/** Where the runtime's code begins. */
export const serverMain = join(packageRoot, "mailserver-runtime", `main.${extension}`);
/** The runtime's own command line; its `admin` performs operations on the files of a server that does not run. */
export const commandLineMain = join(packageRoot, "mailserver-runtime", "cli", `main.${extension}`);

/** What a child may inherit. Stack passphrases, tokens and config values of the deploying process stay out of it. */
const inherited = [
  "PATH",
  "HOME",
  "USER",
  "LOGNAME",
  "LANG",
  "LC_ALL",
  "TZ",
  "TMPDIR",
  "SSL_CERT_FILE",
  "SSL_CERT_DIR",
];

/** The environment of a runtime process. The compile cache makes the second start quicker than the first. */
export function runtimeEnvironment(runDirectory: string): Record<string, string> {
  const environment: Record<string, string> = {
    UV_THREADPOOL_SIZE: "16",
    NODE_COMPILE_CACHE: process.env.NODE_COMPILE_CACHE ?? join(runDirectory, "compile-cache"),
  };
  for (const name of inherited) {
    const value = process.env[name];
    if (value !== undefined) environment[name] = value;
  }
  return environment;
}

let version: string | undefined;

/**
 * Names the code that a start would run now: `0.1.0+` and twelve hex digits over every source file of the runtime, its
 * tests left out. Taken once a process.
 */
export function runtimeVersion(): string {
  version ??= fingerprint(packageRoot);
  return version;
}

/** The fingerprint of a checkout or package; see {@link runtimeVersion}. */
export function fingerprint(root: string): string {
  const manifest: { version: string } = JSON.parse(readFileSync(join(root, "package.json"), "utf8"));
  const files = globSync(`mailserver-runtime/**/*.${extension}`, { cwd: root })
    .filter((file) => !file.endsWith(`.test.${extension}`))
    .sort();
  const hash = createHash("sha256");
  for (const file of files)
    hash
      .update(`${file}\0`)
      .update(readFileSync(join(root, file)))
      .update("\0");
  return `${manifest.version}+${hash.digest("hex").slice(0, 12)}`;
}
