/**
 * The server process of a host. Its reality counts, not only its declaration: every diff asks the host for at most a second
 * whether the declared code runs, so that a stopped server is a change of one line and a host that does not answer is a
 * warning.
 */
import { z } from "zod";
import { listenerSchema } from "../../../mailserver-runtime/settings/schema.ts";
import { HostError } from "../../host/host-error.ts";
import { type Drift, resourceType } from "../resource-type.ts";

const GRACE_MS = 10_000;

const inputs = z.object({
  version: z.string().optional().meta({
    description: "The code that runs. Left out: what this package carries, named by its fingerprint.",
  }),
  listeners: z.array(listenerSchema).meta({
    description: "Where the server listens, as in the settings; it counts as healthy when each one greets.",
  }),
  running: z
    .boolean()
    .default(true)
    .meta({ description: "Whether the server shall run; false stops it and keeps everything it has." }),
  restartOn: z.record(z.string(), z.unknown()).default({}).meta({
    description: "Settings that take effect with a restart only: when they change, the server starts anew.",
  }),
});

export const server = resourceType({
  token: "mailkeep:index:Server",
  description: "The mail server of a host: it runs, healthy, with the declared code.",
  inputs,
  facts: z.object({}),
  identity: [],
  secrets: [],
  id: () => "server",
  fill: { version: (host) => host.runtimeVersion() },
  async put({ host, owner, limit }, declared, before) {
    if (!declared.running) {
      await host.stopServer(GRACE_MS, limit);
      return {};
    }
    if (before && JSON.stringify(restartCauses(before)) !== JSON.stringify(restartCauses(declared)))
      await host.stopServer(GRACE_MS, limit);
    const version = declared.version ?? (await host.runtimeVersion());
    await host.startServer({ version, owner, listeners: declared.listeners }, limit);
    return {};
  },
  async read({ host, limit, owner }, _id, declared) {
    const state = await host.serverState(limit);
    if (state.kind === "unreachable") throw new HostError("unreachable", state.reason);
    const running = state.kind === "running";
    const listeners = declared?.listeners ?? [];
    return {
      inputs: { restartOn: {}, ...declared, listeners, running },
      facts: {},
      // A server that does not run carries no name; nobody else has taken it over.
      owner: running ? state.owner : owner,
    };
  },
  async remove({ host, owner, limit }) {
    const state = await host.serverState(limit);
    if (state.kind === "running" && state.owner !== undefined && state.owner !== owner) return;
    await host.stopServer(GRACE_MS, limit);
  },
  async drift({ host, limit }, declared) {
    const state = await host.serverState(limit);
    if (state.kind === "unreachable")
      return { warning: `${host.description} cannot be asked whether its server runs: ${state.reason}` };
    const drift: Drift[] = [];
    if (!declared.running) {
      if (state.kind === "running") drift.push({ property: "running", reason: "the server is running" });
    } else if (state.kind === "stopped")
      drift.push({ property: "running", reason: "the server is not running" });
    else if (state.version !== undefined && state.version !== declared.version)
      drift.push({ property: "version", reason: `the server runs ${state.version}` });
    return { drift };
  },
});

const restartCauses = ({ listeners, restartOn }: z.output<typeof inputs>) => ({ listeners, restartOn });
