import assert from "node:assert/strict";
import test from "node:test";
import fc from "fast-check";
import { deletionLayers } from "./deletion-order.ts";
import { dependenciesOf, type ResourceState } from "./resource-state.ts";

const thing = (name: string, more: Partial<ResourceState> = {}): ResourceState => ({
  urn: `urn:pulumi:s::p::t:index:T::${name}`,
  custom: true,
  type: "t:index:T",
  inputs: {},
  outputs: {},
  ...more,
});

test("what stands on another goes before it, children before their parents, siblings together", () => {
  const parent = thing("parent", { custom: false });
  const a = thing("a", { parent: parent.urn });
  const b = thing("b", { parent: parent.urn });
  const c = thing("c", { dependencies: [parent.urn] });
  const all = [parent, a, b, c];
  const layers = deletionLayers(all, new Set(all)).map((layer) =>
    layer.map(({ urn }) => urn.split("::").at(-1)),
  );
  assert.deepEqual(layers, [["c"], ["a", "b"], ["parent"]]);
});

test("in any state every dependent is deleted in an earlier layer than what it depends on", () => {
  const graphs = fc.array(fc.array(fc.nat(), { maxLength: 4 }), { minLength: 1, maxLength: 20 });
  fc.assert(
    fc.property(graphs, fc.array(fc.boolean(), { minLength: 20, maxLength: 20 }), (edges, chosen) => {
      const states: ResourceState[] = [];
      edges.forEach((on, index) => {
        const before = index === 0 ? [] : [...new Set(on.map((at) => states[at % index]!.urn))];
        states.push(thing(String(index), { dependencies: before }));
      });
      const condemned = new Set(states.filter((_, index) => chosen[index]));
      const layers = deletionLayers(states, condemned);
      const layerOf = new Map(layers.flatMap((layer, at) => layer.map((state) => [state.urn, at] as const)));
      assert.equal(layerOf.size, condemned.size);
      for (const state of condemned) {
        for (const urn of dependenciesOf(state)) {
          if (layerOf.has(urn)) assert.ok(layerOf.get(state.urn)! < layerOf.get(urn)!);
        }
      }
    }),
  );
});
