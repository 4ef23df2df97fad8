/**
 * A record at Cloudflare that somebody else made and a stack takes over. Made once: the record becomes what the stack declares,
 * with its comment, so that the import that follows finds it as declared. From then on the imported resource alone has it.
 */
import { z } from "zod";
import { readRecord, writeRecord } from "../../dns/cloudflare-api.ts";
import { HostError } from "../../host/host-error.ts";
import { resourceType } from "../resource-type.ts";

const hexId = z.string().regex(/^[0-9a-f]{32}$/i, "an id of Cloudflare has 32 hex digits");

export const adoptedRecord = resourceType({
  token: "mailkeep:index:AdoptedRecord",
  description: "A record at Cloudflare that others made and the stack takes over.",
  inputs: z.object({
    zoneId: hexId.meta({ description: "The zone's id." }),
    recordId: hexId.meta({ description: "The record's id." }),
    record: z
      .record(z.string(), z.unknown())
      .meta({ description: "What the record becomes, as the API takes it." }),
    token: z.string().optional().meta({ description: "The API token; CLOUDFLARE_API_TOKEN when absent." }),
    baseUrl: z.string().optional().meta({ description: "Another address of the API." }),
  }),
  facts: z.object({}),
  identity: ["zoneId", "recordId"],
  secrets: ["token"],
  id: ({ zoneId, recordId }) => `${zoneId}/${recordId}`,
  async put(_, { zoneId, recordId, record, token, baseUrl }, before) {
    if (before !== undefined) return {};
    const access = { token: token ?? process.env.CLOUDFLARE_API_TOKEN ?? "", baseUrl };
    const at = { zoneId, recordId };
    if ((await readRecord(access, at)) === undefined)
      throw new HostError("not-found", `dns.adopt: there is no record ${recordId} in the zone ${zoneId}.`);
    await writeRecord(access, at, record);
    return {};
  },
  async read({ owner }, _, declared) {
    return declared === undefined ? undefined : { inputs: declared, facts: {}, owner };
  },
  // The record belongs to the imported resource.
  async remove() {},
});
