/**
 * A Node for a mail host: one self-contained binary of the host's kind. This machine's own where it is of that kind and was
 * linked without shared libraries of its distribution; else the one that the npm package `node-linux-<processor>` carries,
 * fetched once by npm, which checks it against the registry's digest.
 */
import { execFile } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, readdirSync, renameSync, rmSync } from "node:fs";
import { homedir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { HostError } from "./host-error.ts";
import type { MachineFacts } from "./machine.ts";

/** The release the server is tested with. */
const NODE_RELEASE = "24.21.0";

export interface NodeBinary {
  readonly file: string;
  /** `24.21.0` */
  readonly version: string;
}

/** @throws {HostError} `not-found` saying how to bring one */
export async function nodeBinaryFor(processor: MachineFacts["processor"]): Promise<NodeBinary> {
  if (process.platform === "linux" && process.arch === processor && isSelfContained())
    return { file: process.execPath, version: process.versions.node };
  const file = join(cacheDirectory(), `node-${NODE_RELEASE}-linux-${processor}`);
  if (!existsSync(file)) await fetchTo(file, processor);
  return { file, version: NODE_RELEASE };
}

/** Distributions build Node against their own libraries, which another system does not have. */
function isSelfContained(): boolean {
  const variables = process.config.variables as Readonly<Record<string, unknown>>;
  return Object.entries(variables).every(
    ([name, value]) => !name.startsWith("node_shared") || value === false || value === "false",
  );
}

const cacheDirectory = () => join(process.env.XDG_CACHE_HOME || join(homedir(), ".cache"), "mailkeep");

async function fetchTo(file: string, processor: string): Promise<void> {
  const name = `node-linux-${processor}@${NODE_RELEASE}`;
  mkdirSync(cacheDirectory(), { recursive: true });
  const directory = mkdtempSync(join(cacheDirectory(), "fetching-"));
  const run = promisify(execFile);
  try {
    await run("npm", ["pack", "--silent", name], { cwd: directory, timeout: 300_000 });
    const [archive = ""] = readdirSync(directory);
    await run("tar", ["-xzf", archive, "package/bin/node"], { cwd: directory });
    renameSync(join(directory, "package/bin/node"), file);
  } catch (error) {
    throw new HostError(
      "not-found",
      `The host needs a Node of its kind (linux, ${processor}), and 'npm pack ${name}' does not bring it: ` +
        `${error instanceof Error ? error.message.split("\n")[0] : error}. Put such a binary at ${file}, or deploy from a machine that npm works on.`,
    );
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}
