/**
 * Loaded into the server under measurement (`--import`): SIGUSR2 begins a processor profile of its main thread, a second one
 * ends it and writes it to the folder named by BENCH_PROFILES. So start-up and first uses are not in it.
 */
import { writeFileSync } from "node:fs";
import { Session } from "node:inspector";
import * as path from "node:path";
import { isMainThread } from "node:worker_threads";

const folder = process.env.BENCH_PROFILES;
if (isMainThread && folder !== undefined) {
  const session = new Session();
  session.connect();
  let isRunning = false;
  process.on("SIGUSR2", () => {
    if (isRunning)
      session.post("Profiler.stop", (_, { profile }) =>
        writeFileSync(path.join(folder, `${process.pid}.cpuprofile`), JSON.stringify(profile)),
      );
    else
      session.post("Profiler.enable", () =>
        session.post("Profiler.setSamplingInterval", { interval: 250 }, () => session.post("Profiler.start")),
      );
    isRunning = !isRunning;
  });
}
