import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import * as library from "../index.ts";
import { packageSchema, packageVersion } from "./schema.ts";
import { resourceTypes } from "./table.ts";

const schema = packageSchema() as {
  resources: Record<
    string,
    {
      properties: Record<string, unknown>;
      inputProperties: Record<string, { secret?: boolean; description?: string }>;
      requiredInputs?: string[];
    }
  >;
};

test("schema.json is what the table says; 'node components/provider/write-schema.ts' writes it", () => {
  assert.deepEqual(JSON.parse(readFileSync(new URL("./schema.json", import.meta.url), "utf8")), schema);
});

test("the plugin has the version of the package", () => {
  const manifest = JSON.parse(readFileSync(new URL("../../package.json", import.meta.url), "utf8")) as {
    version: string;
  };
  assert.equal(packageVersion(), manifest.version);
});

test("every type has a class of its name in the library, and every property a sentence", () => {
  for (const [token, { inputProperties }] of Object.entries(schema.resources)) {
    const name = token.split(":")[2] ?? "";
    assert.equal(typeof (library as Record<string, unknown>)[name], "function", token);
    for (const [property, { description }] of Object.entries(inputProperties))
      assert.ok(description, `${token} ${property}`);
  }
});

test("secret inputs are marked and stand in no output", () => {
  for (const type of resourceTypes) {
    for (const name of type.secrets) {
      assert.equal(schema.resources[type.token]?.inputProperties[name]?.secret, true, name);
      assert.ok(!(name in (schema.resources[type.token]?.properties ?? {})), name);
    }
  }
});

test("what the id is made of is required", () => {
  for (const type of resourceTypes)
    for (const name of type.identity)
      assert.ok(schema.resources[type.token]?.requiredInputs?.includes(name), `${type.token} ${name}`);
});
