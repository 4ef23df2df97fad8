/** The Pulumi CLI, for stacks that use plugins: found where its installers put it, and run with the stack's settings. */
import { spawn } from "node:child_process";
import { accessSync, constants, readdirSync } from "node:fs";
import { homedir } from "node:os";
import { delimiter, join } from "node:path";
import { EngineError } from "../engine/errors.ts";

type Environment = Record<string, string | undefined>;

const isExecutable = (path: string): boolean => {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
};

/** The CLI on PATH, or below ~/.pulumi (PULUMI_HOME); the newest of several versions. */
export function findPulumi(environment: Environment = process.env): string | undefined {
  const onPath = (environment.PATH ?? "").split(delimiter).filter((directory) => directory !== "");
  const home = environment.PULUMI_HOME ?? join(environment.HOME ?? homedir(), ".pulumi");
  let versions: string[] = [];
  try {
    versions = readdirSync(join(home, "versions")).sort((left, right) =>
      right.localeCompare(left, "en", { numeric: true }),
    );
  } catch {
    // Nothing was installed there.
  }
  const directories = [
    ...onPath,
    join(home, "bin"),
    ...versions.map((version) => join(home, "versions", version, "bin")),
  ];
  return directories.map((directory) => join(directory, "pulumi")).find(isExecutable);
}

/** Runs the CLI with this terminal and gives its exit code. Throws `unsupported` when it is not installed. */
export async function runPulumi(
  args: readonly string[],
  environment: Environment,
  directory: string,
): Promise<number> {
  const path = findPulumi(environment);
  if (path === undefined) {
    throw new EngineError(
      "unsupported",
      "this stack needs the Pulumi CLI, and it is neither on PATH nor below ~/.pulumi. " +
        "Install it as www.pulumi.com/docs/install says, then run the same command again.",
    );
  }
  const child = spawn(path, args, { cwd: directory, env: environment, stdio: "inherit" });
  return new Promise((resolve, reject) => {
    child.on("error", reject);
    child.on("exit", (code, signal) => resolve(code ?? (signal ? 1 : 0)));
  });
}
