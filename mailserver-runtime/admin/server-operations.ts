/** What one asks of the server as a whole; where none runs, the files answer as far as they can. */
import { openConfiguration } from "../config/configuration.ts";
import type { Snapshot } from "../config/snapshot.ts";
import { silentLog } from "../net/log.ts";
import { type AdminContext, type LiveServer, OperationError, type Performers } from "./context.ts";
import { machineId } from "./machine-id.ts";

export const serverOperations: Performers<"status" | "reload" | "queue.list" | "queue.retry" | "stop"> = {
  status: {
    effect: "reads",
    async perform(_request, context) {
      const { live } = context;
      const snapshot = await currentSnapshot(context);
      return {
        running: live !== undefined,
        version: context.version,
        machineId: await machineId(context.directories.state),
        pid: live === undefined ? undefined : process.pid,
        startedAt: live?.startedAt.toISOString(),
        listeners: live?.listeners() ?? [],
        accounts: snapshot.accountCount,
        problems: [...snapshot.problems, ...(live?.problems?.() ?? [])],
      };
    },
  },
  reload: {
    effect: "reads",
    async perform(_request, context) {
      const snapshot = await (context.live?.configuration.reload() ?? currentSnapshot(context));
      return { generation: snapshot.generation, accounts: snapshot.accountCount };
    },
  },
  "queue.list": {
    effect: "reads",
    perform: async (_request, context) => server(context, "list the queue").queueList(),
  },
  "queue.retry": {
    effect: "reads",
    perform: async ({ id }, context) => server(context, "retry a delivery").queueRetry(id),
  },
  stop: {
    effect: "reads",
    async perform({ graceMs }, context) {
      server(context, "stop").stop(graceMs);
      return { stopping: true };
    },
  },
};

function server({ live, directories }: AdminContext, what: string): LiveServer {
  if (live !== undefined) return live;
  throw new OperationError(
    "not-running",
    `no server runs on ${directories.run}, so there is none to ${what}`,
  );
}

async function currentSnapshot({ live, directories }: AdminContext): Promise<Snapshot> {
  if (live !== undefined) return live.configuration.current();
  const configuration = await openConfiguration(directories, {
    log: silentLog,
    env: process.env,
    watch: false,
  });
  await configuration.close();
  return configuration.current();
}
