/** A worker's process: told by the first process over its channel what it is, it serves until it is told to end. */
import type { Socket } from "node:net";
import type { FromWorker, ToWorker } from "./lifecycle.ts";
import { startWorker, type Worker } from "./worker.ts";

const say = (message: FromWorker) => {
  if (process.connected) process.send?.(message);
};
let worker: Promise<Worker> | undefined;

function end(error: unknown): void {
  const reason = error instanceof Error ? (error.stack ?? error.message) : String(error);
  process.stderr.write(`${reason}\n`);
  worker?.then(
    ({ log }) => {
      log.log.error({ event: "crashed", reason });
      log.flush();
    },
    () => {},
  );
  // What is acknowledged is on disk; a fresh process is sure.
  setImmediate(() => process.exit(1));
}
process.on("uncaughtException", end);
process.on("unhandledRejection", end);
// A terminal and a service manager signal the whole group; the first process says when to stop.
for (const signal of ["SIGTERM", "SIGINT", "SIGHUP"] as const) process.on(signal, () => {});
// Without the first process there are no ports, no bans and no queue, and another server may begin at any moment.
process.on("disconnect", () => process.exit(1));

process.on("message", (message: ToWorker, socket: Socket | undefined) => {
  if (message.kind === "start") {
    worker = startWorker(message, say);
    worker.then(() => say({ kind: "ready" }), end);
    return;
  }
  void worker?.then(async (running) => {
    if (message.kind === "connection" || message.kind === "session") {
      say({ kind: "taken", connection: message.connection });
      // The client may have gone while its socket was on the way.
      if (socket === undefined) say({ kind: "left", connection: message.connection });
      else running.take(socket, message);
    } else if (message.kind === "drain") {
      await running.drain(message.graceMs);
      say({ kind: "drained" });
    } else {
      await running.close();
      process.exit(0);
    }
  });
});
