/**
 * The key of a machine at its first use: asked once, kept in the state, and pinned from then on. Whoever declares it has
 * decided to trust the first answer; a key that is known beforehand belongs into the provider's `hostKey`.
 */
import { z } from "zod";
import { HostError } from "../../host/host-error.ts";
import { resourceType } from "../resource-type.ts";

export const hostKey = resourceType({
  token: "mailkeep:index:HostKey",
  description:
    "The ssh host key of a machine as it was at the first use, kept in the state. Its provider has the hostKey `accept-first-use`.",
  inputs: z.object({}),
  facts: z.object({
    fingerprint: z.string().meta({ description: "As `ssh-keygen -l` prints it: SHA256:..." }),
    publicKey: z.string().meta({ description: "Type and key, as in known_hosts." }),
  }),
  identity: [],
  secrets: [],
  outside: true,
  id: () => "host-key",
  async put({ host, limit }) {
    if (host.hostKey) return host.hostKey(limit);
    throw new HostError("unsupported", `${host.description} is not reached by ssh and has no host key.`);
  },
  async read({ host, limit, owner }, _id, _inputs, facts) {
    // What is pinned stays so: a refresh that took another key over would be no pin.
    if (facts) return { inputs: {}, facts, owner };
    const found = await host.hostKey?.(limit);
    return found && { inputs: {}, facts: found, owner };
  },
  async remove() {},
});
