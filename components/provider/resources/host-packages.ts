/** Debian packages of a machine. They are installed where missing; at the end they are left to `apt autoremove`. */
import { z } from "zod";
import type { Limit } from "../../host/connection.ts";
import { done, type Machine } from "../../host/machine.ts";
import { asFarAsAsked, machineOf } from "../machine-of.ts";
import { resourceType } from "../resource-type.ts";

const packageName = z.string().regex(/^[a-z0-9][a-z0-9+.-]+$/, "is no name of a Debian package");

export const hostPackages = resourceType({
  token: "mailkeep:index:HostPackages",
  description:
    "Debian packages that a machine has. Removing the declaration leaves them to `apt autoremove`.",
  inputs: z.object({ packages: z.array(packageName).meta({ description: "Their names." }) }),
  facts: z.object({
    added: z.array(z.string()).meta({ description: "Those that were not there before." }),
  }),
  identity: [],
  secrets: [],
  outside: true,
  id: () => "packages",
  async put(action, { packages }) {
    const machine = machineOf(action);
    await machine.facts(action.limit);
    const missing = await missingOf(machine, packages, action.limit);
    if (missing.length > 0) await install(machine, missing, action.limit);
    return { added: missing };
  },
  async read(action, _id, inputs, facts) {
    const packages = inputs?.packages ?? [];
    const missing = await missingOf(machineOf(action), packages, action.limit);
    const present = packages.filter((name) => !missing.includes(name));
    if (packages.length > 0 && present.length === 0) return undefined;
    return { inputs: { packages: present }, facts: facts ?? { added: [] }, owner: action.owner };
  },
  async remove(action, { packages }) {
    const text = 'for name in "$@"; do apt-mark auto "$name" >/dev/null 2>&1; done; true';
    await done(machineOf(action), { what: "release its packages", text, args: packages }, action.limit);
  },
  drift: (action, { packages }) =>
    asFarAsAsked(async () => {
      const missing = await missingOf(machineOf(action), packages, action.limit);
      return {
        drift: missing.map((name) => ({ property: "packages", reason: `${name} is not installed any more` })),
      };
    }),
});

async function missingOf(machine: Machine, packages: readonly string[], limit: Limit): Promise<string[]> {
  const text = `for name in "$@"; do
  [ "$(dpkg-query -W -f '\${db:Status-Status}' "$name" 2>/dev/null)" = installed ] || echo "$name"
done`;
  const names = await done(machine, { what: "look at its packages", text, args: packages }, limit);
  return names.split("\n").filter((name) => name !== "");
}

async function install(machine: Machine, packages: readonly string[], limit: Limit): Promise<void> {
  const text = `export DEBIAN_FRONTEND=noninteractive NEEDRESTART_MODE=a
apt-get -q -o DPkg::Lock::Timeout=60 update >&2 || exit
exec apt-get -q -y -o DPkg::Lock::Timeout=60 --no-install-recommends install "$@" >&2`;
  await done(machine, { what: `install ${packages.join(" ")}`, text, args: packages }, limit);
}
