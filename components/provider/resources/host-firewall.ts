/**
 * The firewall of a machine: nftables' table `inet mailkeep`, and a unit that loads it at boot. The port of the sshd that
 * deploys is open, whatever is declared. What was changed by hand shows, and the next `up` undoes it.
 */
import { z } from "zod";
import type { Limit } from "../../host/connection.ts";
import {
  FIREWALL_UNIT,
  firewallRules,
  firewallUnitText,
  type OpenPort,
  openPorts,
  RULES_FILE,
  TABLE,
} from "../../host/firewall-rules.ts";
import { done, type Machine, removeFile, writeText } from "../../host/machine.ts";
import { asFarAsAsked, machineOf } from "../machine-of.ts";
import { resourceType } from "../resource-type.ts";

/** The table as nft showed it when it was made: another text later is another table. */
const LISTING_FILE = "/etc/mailkeep/firewall.listing";
const UNIT_FILE = `/etc/systemd/system/${FIREWALL_UNIT}`;

const openPort = z.strictObject({
  protocol: z.enum(["tcp", "udp"]).default("tcp"),
  port: z.int().min(1).max(65_535),
});

export const hostFirewall = resourceType({
  token: "mailkeep:index:HostFirewall",
  description:
    "The firewall of a machine: connections from outside reach the declared ports and sshd alone. Other tables of nftables are left as they are.",
  inputs: z.object({
    open: z.array(openPort).meta({ description: "The ports that are reached from outside, besides sshd's." }),
  }),
  facts: z.object({
    sshPort: z.int().meta({ description: "The port of the sshd that deploys, always open." }),
    intact: z.boolean().meta({ description: "Whether the table is as it was made." }),
  }),
  identity: [],
  secrets: [],
  outside: true,
  id: () => "firewall",
  async put(action, { open }) {
    const machine = machineOf(action);
    const { sshPort } = await machine.facts(action.limit);
    const rules = firewallRules([...open, { protocol: "tcp", port: sshPort }]);
    await writeText(machine, { path: RULES_FILE, text: rules, mode: "644" }, action.limit);
    await writeText(machine, { path: UNIT_FILE, text: firewallUnitText, mode: "644" }, action.limit);
    const text = `set -eu
nft -c -f ${RULES_FILE}
systemctl daemon-reload
systemctl --quiet enable ${FIREWALL_UNIT}
systemctl restart ${FIREWALL_UNIT}
nft list table inet ${TABLE} >${LISTING_FILE}`;
    await done(machine, { what: "load the firewall", text }, action.limit);
    return { sshPort, intact: true };
  },
  async read(action, _id, inputs) {
    const machine = machineOf(action);
    const found = await look(machine, action.limit);
    if (found === undefined) return undefined;
    const { sshPort } = await machine.facts(action.limit);
    const others = found.open.filter(({ protocol, port }) => protocol !== "tcp" || port !== sshPort);
    // The same ports in another order are the same firewall.
    const open = inputs && sameRules(inputs.open, others) ? inputs.open : others;
    return { inputs: { open }, facts: { sshPort, intact: found.intact }, owner: action.owner };
  },
  async remove(action) {
    const machine = machineOf(action);
    const text = `if [ -e ${UNIT_FILE} ]; then systemctl --quiet disable --now ${FIREWALL_UNIT}; fi
nft delete table inet ${TABLE} 2>/dev/null; true`;
    await done(machine, { what: "take the firewall away", text }, action.limit);
    for (const file of [UNIT_FILE, RULES_FILE, LISTING_FILE]) await removeFile(machine, file, action.limit);
    await done(machine, { what: "forget its unit", text: "systemctl daemon-reload" }, action.limit);
  },
  drift: (action) =>
    asFarAsAsked(async () => {
      const found = await look(machineOf(action), action.limit);
      if (found?.intact) return { drift: [] };
      const reason = found ? "the firewall's rules were changed on the host" : "the firewall is not loaded";
      return { drift: [{ property: "intact", reason }] };
    }),
});

const sameRules = (one: readonly OpenPort[], other: readonly OpenPort[]) =>
  firewallRules(one) === firewallRules(other);

/** Undefined where the table is not there. */
async function look(
  machine: Machine,
  limit: Limit,
): Promise<{ intact: boolean; open: OpenPort[] } | undefined> {
  const text = `nft list table inet ${TABLE} 2>/dev/null
echo --
cat ${LISTING_FILE} 2>/dev/null; true`;
  const shown = await done(machine, { what: "read its firewall", text }, limit);
  const [live = "", made = ""] = shown.split(/^--\n/m);
  return live === "" ? undefined : { intact: live === made, open: openPorts(live) };
}
