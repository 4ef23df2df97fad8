/**
 * `health`: how the server is, for people and for a container's HEALTHCHECK. Exit code 0 while it serves (healthy or
 * degraded), 1 when it does not: its own probe failed, it does not answer, or none runs.
 */
import { connectAdmin } from "../admin/client.ts";
import { ask } from "./ask.ts";
import { type CommandContext, CommandError } from "./command.ts";

export async function healthCommand(context: CommandContext): Promise<number> {
  const server = await connectAdmin(context.directories.run);
  if (server === undefined) throw new CommandError("no server runs here");
  server.close();
  const { state, at, steps, reasons } = await ask(context, "health", {});
  context.out(`${state}${at === undefined ? "" : `, probed ${at}`}`);
  for (const reason of reasons) context.out(`  ! ${reason}`);
  for (const { name, result, ms, detail } of steps)
    if (result === "ok") context.out(`  ✓ ${name}${ms === undefined ? "" : `, ${ms} ms`}: ${detail}`);
  return state === "unhealthy" ? 1 : 0;
}
