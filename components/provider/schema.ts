/**
 * The package schema (what `pulumi package get-schema` prints), made from the table of resource types. `schema.json` beside
 * this file is its text; a test holds the two together.
 */
import { readFileSync } from "node:fs";
import { z } from "zod";
import { hostConnectionSchema } from "../host/connection.ts";
import { resourceTypes } from "./table.ts";

type Json = Record<string, unknown>;

/** The package's version: what PulumiPlugin's package.json says. */
export function packageVersion(): string {
  const manifest: { version: string } = JSON.parse(
    readFileSync(new URL("./package.json", import.meta.url), "utf8"),
  );
  return manifest.version;
}

/** The schema as an object; see pulumi.com/docs/iac/guides/building-extending/packages/schema. */
export function packageSchema(): Json {
  return {
    name: "mailkeep",
    displayName: "mailkeep",
    version: packageVersion(),
    description: "Declare your mail: a mail host, its server, domains, mailboxes, aliases, keys and zones.",
    license: "Apache-2.0",
    keywords: ["mail", "smtp", "imap", "dkim", "category/infrastructure", "kind/native"],
    meta: { supportPack: true },
    provider: {
      description:
        "The connection to one mail host. Resources of mailkeep take it as their explicit provider.",
      inputProperties: providerInputs(),
      requiredInputs: ["type"],
    },
    resources: Object.fromEntries(resourceTypes.map((type) => [type.token, resourceSchema(type)])),
  };
}

function resourceSchema({ description, inputs, facts, secrets }: (typeof resourceTypes)[number]): Json {
  const input = properties(inputs, "input");
  const declared = properties(inputs, "output");
  const found = properties(facts, "output");
  for (const name of secrets) {
    if (input.properties[name]) input.properties[name].secret = true;
    delete declared.properties[name];
  }
  const owner = {
    type: "string",
    description: "The URN that owns the object on the host.",
  };
  const visible = declared.required.filter((name) => !secrets.includes(name));
  return {
    description,
    properties: { ...declared.properties, ...found.properties, owner },
    required: [...visible, ...found.required, "owner"],
    inputProperties: input.properties,
    ...(input.required.length > 0 && { requiredInputs: input.required }),
  };
}

/** The members of the connection's union side by side: a provider's configuration is flat. */
function providerInputs(): Record<string, Json> {
  const merged: Record<string, Json> = {};
  for (const member of hostConnectionSchema.options) {
    for (const [name, property] of Object.entries(properties(member, "input").properties))
      merged[name] ??= property;
  }
  const kinds = hostConnectionSchema.options.map((member) => member.shape.type.value);
  merged.type = { type: "string", description: `How the host is reached: ${kinds.join(", ")}.` };
  return merged;
}

function properties(schema: z.ZodObject, io: "input" | "output") {
  const json = z.toJSONSchema(schema, { io: "input", unrepresentable: "any" }) as {
    properties?: Record<string, Json>;
    required?: string[];
  };
  const withDefault = Object.entries(json.properties ?? {})
    .filter(([, property]) => property.default !== undefined)
    .map(([name]) => name);
  return {
    properties: Object.fromEntries(
      Object.entries(json.properties ?? {}).map(([name, property]) => [name, propertySchema(property)]),
    ) as Record<string, Json>,
    required: [...(json.required ?? []), ...(io === "output" ? withDefault : [])],
  };
}

/** A JSON schema as Pulumi's: lists and maps of plain values keep their type, anything deeper is any value. */
function propertySchema(schema: Json): Json {
  const { description, default: fallback } = schema;
  return {
    ...typeSchema(schema),
    ...(description !== undefined && { description }),
    ...(["string", "number", "boolean"].includes(typeof fallback) && { default: fallback }),
  };
}

const anyValue = { $ref: "pulumi.json#/Any" };

function typeSchema(schema: Json): Json {
  switch (schema.type) {
    case "string":
    case "boolean":
    case "integer":
    case "number":
      return { type: schema.type };
    case "array":
      return { type: "array", items: typeSchema((schema.items as Json | undefined) ?? {}) };
    case "object":
      if (schema.properties !== undefined) return anyValue;
      return {
        type: "object",
        additionalProperties: typeSchema((schema.additionalProperties as Json | undefined) ?? {}),
      };
    default:
      return anyValue;
  }
}
