/** The configuration in force: the running server's, or as the files say where none runs. */
import { openConfiguration } from "../config/configuration.ts";
import type { Snapshot } from "../config/snapshot.ts";
import { silentLog } from "../net/log.ts";
import type { AdminContext } from "./context.ts";

export async function currentSnapshot({ live, directories }: AdminContext): Promise<Snapshot> {
  if (live !== undefined) return live.configuration.current();
  const configuration = await openConfiguration(directories, {
    log: silentLog,
    env: process.env,
    watch: false,
  });
  await configuration.close();
  return configuration.current();
}
