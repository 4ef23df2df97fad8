/** The `admin` command on this machine: operations on the files of a server that does not run. */
import { spawn } from "node:child_process";
import type { AdminProcess } from "../admin-lines.ts";
import { commandLineMain, runtimeEnvironment } from "./runtime.ts";

export function startOfflineAdmin(root: string, runDirectory: string): AdminProcess {
  const child = spawn(process.execPath, [commandLineMain, "--root", root, "admin"], {
    env: runtimeEnvironment(runDirectory),
    stdio: ["pipe", "pipe", "pipe"],
  });
  const ended = new Promise<Awaited<AdminProcess["ended"]>>((resolve) => {
    const end = (reason: string) => resolve({ reason, code: "internal" });
    child.on("error", (error) => end(`could not be started: ${error.message}`));
    child.on("close", (code, signal) => end(`ended with ${signal ?? `code ${code}`}`));
  });
  const { stdin, stdout, stderr } = child;
  return { stdin, stdout, stderr, ended, kill: () => void child.kill("SIGKILL") };
}
