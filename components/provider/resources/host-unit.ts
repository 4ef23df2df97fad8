/** A systemd unit of a machine: its file, and whether it starts at boot. A change made there by hand shows as one. */
import { z } from "zod";
import type { Limit } from "../../host/connection.ts";
import { HostError } from "../../host/host-error.ts";
import { done, type Machine, readText, removeFile, writeText } from "../../host/machine.ts";
import { asFarAsAsked, machineOf } from "../machine-of.ts";
import { resourceType } from "../resource-type.ts";

const inputs = z.object({
  name: z
    .string()
    .regex(/^[A-Za-z0-9_.@-]+\.(service|timer|socket|path)$/, "is no name of a unit, as in mailkeep.service")
    .meta({ description: "The unit's name, with its kind: `mailkeep.service`." }),
  text: z.string().min(1).meta({ description: "The unit file (systemd.unit(5))." }),
  enabled: z.boolean().default(true).meta({ description: "Whether it starts at boot." }),
});

export const hostUnit = resourceType({
  token: "mailkeep:index:HostUnit",
  description: "A systemd unit of a machine: its file, and whether it starts at boot. Removing it stops it.",
  inputs,
  facts: z.object({ path: z.string().meta({ description: "The unit file." }) }),
  identity: ["name"],
  secrets: [],
  outside: true,
  id: ({ name }) => name,
  async put(action, { name, text, enabled }) {
    const machine = machineOf(action);
    const { systemd } = await machine.facts(action.limit);
    if (!systemd)
      throw new HostError(
        "unsupported",
        `${machine.name} is not run by systemd, which the server's unit needs.`,
      );
    await writeText(machine, { path: pathOf(name), text, mode: "644" }, action.limit);
    const script = 'systemctl daemon-reload && systemctl --quiet "$2" "$1"';
    const args = [name, enabled ? "enable" : "disable"];
    await done(machine, { what: `${args[1]} ${name}`, text: script, args }, action.limit);
    return { path: pathOf(name) };
  },
  async read(action, id) {
    const found = await look(machineOf(action), id, action.limit);
    return found && { inputs: found, facts: { path: pathOf(id) }, owner: action.owner };
  },
  async remove(action, { name }) {
    const machine = machineOf(action);
    const text = 'if [ -e "$2" ]; then systemctl --quiet disable --now "$1"; fi';
    await done(machine, { what: `end ${name}`, text, args: [name, pathOf(name)] }, action.limit);
    await removeFile(machine, pathOf(name), action.limit);
    await done(machine, { what: "forget it", text: "systemctl daemon-reload" }, action.limit);
  },
  drift: (action, declared) =>
    asFarAsAsked(async () => {
      const found = await look(machineOf(action), declared.name, action.limit);
      if (!found) return { drift: [{ property: "text", reason: `${declared.name} is not there any more` }] };
      const changed = (["text", "enabled"] as const).filter((key) => found[key] !== declared[key]);
      return {
        drift: changed.map((property) => ({
          property,
          reason:
            property === "text"
              ? `${pathOf(declared.name)} was changed on the host`
              : `${declared.name} is ${found.enabled ? "enabled" : "disabled"}`,
        })),
      };
    }),
});

const pathOf = (name: string) => `/etc/systemd/system/${name}`;

async function look(
  machine: Machine,
  name: string,
  limit: Limit,
): Promise<z.output<typeof inputs> | undefined> {
  const text = await readText(machine, pathOf(name), limit);
  if (text === undefined) return undefined;
  const script = 'systemctl is-enabled "$1" 2>/dev/null; true';
  const state = await done(machine, { what: `look at ${name}`, text: script, args: [name] }, limit);
  return { name, text, enabled: state.trim() === "enabled" };
}
