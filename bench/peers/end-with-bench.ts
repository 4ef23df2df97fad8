/**
 * Servers under measurement must not outlive the bench, however it ends: SIGKILL leaves it no time to clean up.
 * So a shell of its own session waits at a pipe that the kernel closes when the bench is gone, and ends them then.
 */
import { spawn } from "node:child_process";

const WAIT_THEN_END = "cat >/dev/null; kill -TERM $0 $@ 2>/dev/null";

/** Ends these processes when the bench ends; the function returned is to be called when they have ended by themselves. */
export function endWithBench(pids: readonly number[]): () => void {
  const guard = spawn("/bin/sh", ["-c", WAIT_THEN_END, ...pids.map(String)], {
    detached: true,
    stdio: ["pipe", "ignore", "ignore"],
  });
  guard.unref();
  return () => void guard.kill("SIGKILL");
}
