/** The password thread's own side: one task after the other, see pool.ts. */
import { parentPort } from "node:worker_threads";
import type { ThreadAnswer, ThreadTask } from "./pool.ts";
import { checkPassword, makeHash, UnsupportedScheme } from "./schemes.ts";

parentPort?.on("message", (task: ThreadTask) => {
  parentPort?.postMessage(perform(task));
});

function perform(task: ThreadTask): ThreadAnswer {
  try {
    const value =
      task.kind === "hash" ? makeHash(task.text, task.scheme) : checkPassword(task.text, task.stored);
    return { id: task.id, value };
  } catch (error) {
    const text = error instanceof Error ? error.message : String(error);
    return { id: task.id, error: text, unsupported: error instanceof UnsupportedScheme };
  }
}
