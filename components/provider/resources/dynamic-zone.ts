/**
 * A stack's records in a zone elsewhere, by dynamic updates (RFC 2136) that the host sends. What the stack put there is known
 * from its state: the rest of the zone is others' and left alone, and what of it contradicts a declared record is an error.
 */
import { z } from "zod";
import { domain } from "../fields.ts";
import { recordSetsSchema } from "../record-set-fields.ts";
import { resourceType } from "../resource-type.ts";

const inputs = z.object({
  zone: domain.meta({ description: "The zone's name." }),
  server: z.string().min(1).meta({ description: "Address or name of the zone's primary." }),
  port: z.int().min(1).max(65_535).default(53).meta({ description: "Its port." }),
  keyName: z.string().optional().meta({ description: "Name of the TSIG key (RFC 8945)." }),
  keyAlgorithm: z
    .enum(["hmac-sha256", "hmac-sha384", "hmac-sha512"])
    .default("hmac-sha256")
    .meta({ description: "The key's algorithm." }),
  keySecret: z.base64().optional().meta({ description: "The key's secret, base64." }),
  recordSets: recordSetsSchema,
  adopt: z
    .array(
      z.string().regex(/^\S+ [A-Z]+$/, 'a record set is named by owner and type, as in "example.org MX"'),
    )
    .default([])
    .meta({ description: "Record sets of others that are taken over." }),
});

export const dynamicZone = resourceType({
  token: "mailkeep:index:DynamicZone",
  description: "The stack's records in a zone of a name server that takes dynamic updates (RFC 2136).",
  inputs,
  facts: z.object({}),
  identity: ["zone"],
  secrets: ["keySecret"],
  check: ({ keyName, keySecret }) =>
    (keyName === undefined) === (keySecret === undefined)
      ? []
      : [
          {
            property: keyName === undefined ? "keyName" : "keySecret",
            reason:
              "is missing: a TSIG key has a name and a secret; set it: pulumi config set --secret --path 'mailkeep:tokens[\"<key name>\"]'",
          },
        ],
  id: ({ zone }) => zone,
  async put({ host, limit }, declared, before) {
    const request = { ...at(declared), recordSets: declared.recordSets, adopt: declared.adopt };
    const moved =
      before !== undefined && (before.server !== declared.server || before.port !== declared.port);
    await host.perform(
      "dynamic-zone.put",
      { ...request, previous: before === undefined || moved ? {} : before.recordSets },
      limit,
    );
    // Another primary: what was put at the old one is taken back there, once the new one has it.
    if (moved)
      await host
        .perform("dynamic-zone.remove", { ...at(before), recordSets: before.recordSets }, limit)
        .catch(() => undefined);
    return {};
  },
  async read({ host, limit, owner }, _, declared) {
    if (declared === undefined) return undefined;
    const { recordSets } = await host.perform(
      "dynamic-zone.read",
      { ...at(declared), recordSets: declared.recordSets },
      limit,
    );
    if (Object.keys(recordSets).length === 0 && Object.keys(declared.recordSets).length > 0) return undefined;
    return {
      inputs: { ...declared, recordSets: inOrder(recordSets, declared.recordSets) },
      facts: {},
      owner,
    };
  },
  async remove({ host, limit }, declared) {
    await host.perform("dynamic-zone.remove", { ...at(declared), recordSets: declared.recordSets }, limit);
  },
});

function at({ zone, server, port, keyName, keyAlgorithm, keySecret }: z.output<typeof inputs>) {
  const key =
    keyName === undefined || keySecret === undefined
      ? {}
      : { key: { name: keyName, algorithm: keyAlgorithm, secret: keySecret } };
  return { zone, server, port, ...key };
}

type RecordSets = Readonly<Record<string, readonly string[]>>;

/** A server gives a set in any order; one that is as declared is written as declared. */
function inOrder(found: RecordSets, declared: RecordSets): Record<string, string[]> {
  const sorted = (list: readonly string[] = []) => JSON.stringify([...list].sort());
  return Object.fromEntries(
    Object.entries(found).map(([set, records]) => [
      set,
      [...(sorted(records) === sorted(declared[set]) ? (declared[set] ?? []) : records)],
    ]),
  );
}
