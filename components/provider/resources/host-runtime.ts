/** The server's code on a machine. Which version runs is the Server's; here is which ones lie there. */
import { z } from "zod";
import {
  installedVersions,
  installRuntime,
  pruneRuntimes,
  RUNTIME_ROOT,
  removeRuntimes,
} from "../../host/installed-runtime.ts";
import { asFarAsAsked, machineOf } from "../machine-of.ts";
import { resourceType } from "../resource-type.ts";

const KEEP = 2;

export const hostRuntime = resourceType({
  token: "mailkeep:index:HostRuntime",
  description: "The server's code on a machine, with the Node that runs it: one directory a version.",
  inputs: z.object({
    version: z.string().optional().meta({
      description:
        "The version that shall be there. Left out: what this package carries, named by its fingerprint.",
    }),
    keep: z.int().min(0).max(100).default(KEEP).meta({
      description: "How many older versions stay beside it and the one that runs.",
    }),
  }),
  facts: z.object({ path: z.string().meta({ description: "Where the version lies." }) }),
  identity: [],
  secrets: [],
  outside: true,
  id: () => "runtime",
  fill: { version: (host) => host.runtimeVersion() },
  async put(action, { version: declared, keep }) {
    const machine = machineOf(action);
    const version = declared ?? (await action.host.runtimeVersion());
    await installRuntime(machine, version, action.limit);
    await pruneRuntimes(machine, { version, keep }, action.limit);
    return { path: pathOf(version) };
  },
  async read(action, _id, inputs) {
    const { versions, current } = await installedVersions(machineOf(action), action.limit);
    const version = inputs?.version ?? current;
    if (version === undefined || !versions.includes(version)) return undefined;
    const { keep = KEEP } = inputs ?? {};
    return { inputs: { version, keep }, facts: { path: pathOf(version) }, owner: action.owner };
  },
  async remove(action) {
    await removeRuntimes(machineOf(action), action.limit);
  },
  drift: (action, { version }) =>
    asFarAsAsked(async () => {
      const { versions } = await installedVersions(machineOf(action), action.limit);
      if (version === undefined || versions.includes(version)) return { drift: [] };
      return { drift: [{ property: "version", reason: `${pathOf(version)} is not there any more` }] };
    }),
});

const pathOf = (version: string) => `${RUNTIME_ROOT}/${version}`;
