/** What one asks of the server as a whole; where none runs, the files answer as far as they can. */
import { existsSync } from "node:fs";
import type { Snapshot } from "../config/snapshot.ts";
import { judge } from "../health/health.ts";
import { relaysOf } from "../queue/declared-relays.ts";
import { directDestinations, explain } from "../routing/explain.ts";
import { loadSrsSecrets, type Srs } from "../routing/srs.ts";
import { srsBySettings } from "../routing/srs-settings.ts";
import { type AdminContext, type LiveServer, OperationError, type Performers } from "./context.ts";
import { currentSnapshot } from "./current-snapshot.ts";
import { machineId } from "./machine-id.ts";

export const serverOperations: Performers<"status" | "health" | "reload" | "explain" | "stop"> = {
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
  health: {
    effect: "reads",
    async perform(_request, context) {
      const { state, at, steps, reasons } =
        (await server(context, "ask").health?.()) ?? judge(undefined, [], await problemsOf(context));
      return { state, at, steps: [...steps], reasons: [...reasons] };
    },
  },
  reload: {
    effect: "reads",
    async perform(_request, context) {
      const snapshot = await (context.live?.configuration.reload() ?? currentSnapshot(context));
      return { generation: snapshot.generation, accounts: snapshot.accountCount };
    },
  },
  explain: {
    effect: "reads",
    async perform({ address, from }, context) {
      const snapshot = await currentSnapshot(context);
      const options = { from, srs: await srsOf(context, snapshot), relayOf: relaysOf(snapshot) };
      const tls = directDestinations(snapshot, address, options).map(
        async (domain) => (await context.live?.explainTls?.(domain)) ?? [],
      );
      const tlsLines = (await Promise.all(tls)).flat().map((line) => `  ${line}`);
      return { lines: [...explain(snapshot, address, options), ...tlsLines] };
    },
  },
  stop: {
    effect: "reads",
    async perform({ graceMs }, context) {
      server(context, "stop").stop(graceMs);
      return { stopping: true };
    },
  },
};

async function problemsOf(context: AdminContext): Promise<string[]> {
  const { problems } = await currentSnapshot(context);
  return [...problems, ...(context.live?.problems?.() ?? [])].map(
    ({ file, line, reason }) => `${file}${line > 0 ? `:${line}` : ""}: ${reason}`,
  );
}

function server({ live, directories }: AdminContext, what: string): LiveServer {
  if (live !== undefined) return live;
  throw new OperationError(
    "not-running",
    `no server runs on ${directories.run}, so there is none to ${what}`,
  );
}

/** Undefined where no server has ever run, so that no secret is there yet. */
async function srsOf({ directories }: AdminContext, snapshot: Snapshot): Promise<Srs | undefined> {
  const file = `${directories.state}/srs-secrets`;
  const kept = existsSync(file) ? await loadSrsSecrets(file) : [];
  return kept.length + snapshot.settings.srs.secrets.length === 0 ? undefined : srsBySettings(kept)(snapshot);
}
