/**
 * The server's process.
 *
 *     main.ts [--root DIR] [--log-to-stdout] [--probe]
 *
 * Without --root the directories are docker-mailserver's volumes. With --probe it proves to itself every five minutes
 * that it works, for `health`. SIGTERM and SIGINT stop it cleanly within
 * ten seconds, SIGHUP reads all files again. It exits 0 after a stop, 1 when it could not start or had to end:
 * an error nobody foresaw ends the process, since what got a 250 is on disk and a fresh one is sure.
 */
import { readFileSync } from "node:fs";
import { resolve } from "node:path";
import { parseArgs } from "node:util";
import { type RunningServer, startServer } from "./server.ts";
import { directoriesBelow, dockerMailserverDirectories } from "./settings/directories.ts";

/** Time for connections and deliveries under way at a stop. Docker kills after ten seconds. */
const GRACE_MS = 8_000;

const { values } = parseArgs({
  options: {
    root: { type: "string" },
    "log-to-stdout": { type: "boolean", default: false },
    probe: { type: "boolean", default: false },
  },
});
const directories = values.root ? directoriesBelow(resolve(values.root)) : dockerMailserverDirectories;
const { version } = JSON.parse(readFileSync(new URL("../package.json", import.meta.url), "utf8")) as {
  version: string;
};

let running: RunningServer | undefined;
let stopping = false;

async function stop(graceMs: number): Promise<void> {
  if (stopping) return;
  stopping = true;
  // Whatever hangs, the process ends: everything acknowledged is on disk already.
  setTimeout(() => process.exit(1), graceMs + 1_500).unref();
  await running?.stop(graceMs);
  process.exit(0);
}

function end(error: unknown): void {
  const reason = error instanceof Error ? (error.stack ?? error.message) : String(error);
  running?.log.log.error({ event: "crashed", reason });
  running?.log.flush();
  process.stderr.write(`${reason}\n`);
  process.exit(1);
}
process.on("uncaughtException", end);
process.on("unhandledRejection", end);
process.on("SIGTERM", () => void stop(GRACE_MS));
process.on("SIGINT", () => void stop(GRACE_MS));
process.on("SIGHUP", () => void running?.reload());

try {
  running = await startServer({
    directories,
    env: process.env,
    version,
    logToStdout: values["log-to-stdout"],
    probes: values.probe,
    onLeaseLost: (reason) => end(new Error(reason)),
    onStopRequested: (graceMs) => void setImmediate(() => void stop(graceMs)),
  });
} catch (error) {
  process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`);
  process.exit(1);
}
