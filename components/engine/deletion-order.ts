/**
 * In which order resources are deleted (pkg/resource/deploy/step_generator.go, ScheduleDeletes): in layers, each
 * of which may go at once, and nothing before all that stands on it is gone. Everything here is pure.
 */
import { dependenciesOf, type ResourceState } from "./resource-state.ts";
import { parseProviderReference } from "./urn.ts";

/** Layers to delete, first to last. `resources` is the whole state in its order; `condemned` are some of it. */
export function deletionLayers(
  resources: readonly ResourceState[],
  condemned: ReadonlySet<ResourceState>,
): ResourceState[][] {
  const positions = new Map<string, number[]>();
  const children = new Map<string, number[]>();
  resources.forEach((state, index) => {
    positions.set(state.urn, [...(positions.get(state.urn) ?? []), index]);
    if (state.parent) children.set(state.parent, [...(children.get(state.parent) ?? []), index]);
  });
  const before = (urn: string, index: number) => (positions.get(urn) ?? []).filter((at) => at < index);
  const belowOf = (urn: string): number[] =>
    (children.get(urn) ?? []).flatMap((at) => [at, ...belowOf(resources[at]!.urn)]);

  // How deep each condemned resource stands on others: a dependency always comes earlier in the state.
  const depth = new Map<ResourceState, number>();
  const layers: ResourceState[][] = [];
  resources.forEach((state, index) => {
    if (!condemned.has(state)) return;
    const provider = state.provider ? [parseProviderReference(state.provider).urn] : [];
    const direct = [...dependenciesOf(state), ...provider].flatMap((urn) => before(urn, index));
    const throughComponents = direct
      .filter((at) => !resources[at]!.custom)
      .flatMap((at) => belowOf(resources[at]!.urn).filter((below) => below < index));
    const parents = state.parent ? before(state.parent, index) : [];
    const depths = [...direct, ...throughComponents, ...parents].map((at) => depth.get(resources[at]!) ?? -1);
    const own = Math.max(-1, ...depths) + 1;
    depth.set(state, own);
    layers[own] = [...(layers[own] ?? []), state];
  });
  return layers.reverse();
}
