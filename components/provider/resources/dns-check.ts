/**
 * A gate: it is there when every authoritative name server says what is declared and each public address of the host has its
 * name. It waits as long as it is told to, and fails with what is missing and what to do about it. Its inputs are what it
 * proves: when they change, it proves anew.
 */
import { setTimeout as wait } from "node:timers/promises";
import { z } from "zod";
import { HostError } from "../../host/host-error.ts";
import { hostName } from "../fields.ts";
import { recordSetsSchema } from "../record-set-fields.ts";
import { resourceType } from "../resource-type.ts";

/** Between two looks. */
const PAUSE_MS = 5_000;
/** Lines of a refusal that are shown; the rest is in `mailkeep dns check`. */
const MOST_LINES = 40;

export const dnsCheck = resourceType({
  token: "mailkeep:index:DnsCheck",
  description: "Waits until the DNS says what is declared.",
  inputs: z.object({
    name: z.string().meta({ description: "Tells this check from others of the stack." }),
    recordSets: recordSetsSchema.default({}),
    addresses: z
      .array(z.string())
      .default([])
      .meta({ description: "Addresses that must be named after the host (PTR)." }),
    hostname: hostName.optional().meta({ description: "The host's name." }),
    nameServers: z
      .array(z.string())
      .default([])
      .meta({ description: "Name servers to ask, in the place of those the zones name." }),
    waitSeconds: z.int().min(0).default(0).meta({ description: "Seconds to wait." }),
  }),
  facts: z.object({}),
  identity: ["name"],
  secrets: [],
  id: ({ name }) => name,
  async put({ host, limit }, { name: _, waitSeconds, hostname, ...asked }) {
    const end = Math.min(Date.now() + waitSeconds * 1000, limit.deadline);
    for (;;) {
      const answer = await host.perform("dns.check", { ...asked, ...(hostname && { hostname }) }, limit);
      if (answer.ok) return {};
      if (Date.now() + PAUSE_MS > end || limit.signal?.aborted)
        throw new HostError(
          "conflict",
          ["The DNS does not say what is declared:", ...answer.lines.slice(0, MOST_LINES)].join("\n"),
        );
      await wait(PAUSE_MS);
    }
  },
  async read({ owner }, _, declared) {
    return declared === undefined ? undefined : { inputs: declared, facts: {}, owner };
  },
  // There is nothing to end.
  async remove() {},
});
