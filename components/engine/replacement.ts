/**
 * What else must go when an object is deleted before its successor is made: everything whose own inputs hang on
 * it in a way that its provider answers with a replacement (pkg/resource/deploy/step_generator.go,
 * calculateDependentReplacements). A plain dependsOn drags nothing along.
 */
import { applyReplaceOnChanges, isReplace, resolveUnknownDiff } from "./diff.ts";
import { UNKNOWN } from "./provider.ts";
import type { ConfiguredProvider } from "./provider-registry.ts";
import { dependenciesOf, type ResourceState } from "./resource-state.ts";
import { isProviderType, nameOf, parseProviderReference } from "./urn.ts";

/** The resources of the old state that stand on `root`, directly or not, in the order of the state. */
function dependentsOf(
  root: ResourceState,
  resources: readonly ResourceState[],
  ignored: (urn: string) => boolean,
): ResourceState[] {
  const reached = new Set([root.urn]);
  const dependents: ResourceState[] = [];
  for (const state of resources.slice(resources.indexOf(root) + 1)) {
    if (ignored(state.urn)) continue;
    const provider = state.provider ? [parseProviderReference(state.provider).urn] : [];
    if (![...dependenciesOf(state), ...provider].some((urn) => reached.has(urn))) continue;
    reached.add(state.urn);
    dependents.push(state);
  }
  return dependents;
}

/**
 * Which of the dependents are replaced with `root`. `providerOf` gives the provider of a resource of the old state;
 * `configuredBy` compares a provider resource's own configuration.
 */
export async function dependentReplacements(
  root: ResourceState,
  resources: readonly ResourceState[],
  ignored: (urn: string) => boolean,
  providerOf: (state: ResourceState) => Promise<ConfiguredProvider>,
): Promise<ResourceState[]> {
  const replaced = new Set([root.urn]);
  const found: ResourceState[] = [];
  for (const state of dependentsOf(root, resources, ignored)) {
    if (!(await mustGo(state, replaced, providerOf))) continue;
    replaced.add(state.urn);
    found.push(state);
  }
  // What is deleted with the root, or follows its replacement by name, goes wherever it stands.
  for (const state of resources) {
    if (state.delete || replaced.has(state.urn) || ignored(state.urn)) continue;
    if (state.deletedWith === root.urn || state.replaceWith?.includes(root.urn)) found.push(state);
  }
  return found;
}

async function mustGo(
  state: ResourceState,
  replaced: ReadonlySet<string>,
  providerOf: (state: ResourceState) => Promise<ConfiguredProvider>,
): Promise<boolean> {
  if (!state.custom || state.external || state.delete) return false;
  if (state.provider && replaced.has(parseProviderReference(state.provider).urn)) return true;
  if (state.deletedWith && replaced.has(state.deletedWith)) return true;
  const hangs = (key: string) => state.propertyDependencies?.[key]?.some((urn) => replaced.has(urn)) ?? false;
  if (!Object.keys(state.inputs).some(hangs)) return false;
  const news = Object.fromEntries(
    Object.entries(state.inputs).map(([key, value]) => [key, hangs(key) ? UNKNOWN : value]),
  );
  const provider = await providerOf(state);
  const request = { urn: state.urn, oldInputs: state.inputs, olds: state.outputs, news };
  const answer = isProviderType(state.type)
    ? await provider.diffConfig(request)
    : await provider.diff({
        ...request,
        type: state.type,
        name: nameOf(state.urn),
        id: state.id ?? "",
        ignoreChanges: state.ignoreChanges ?? [],
      });
  const result = resolveUnknownDiff(answer, state.inputs, news);
  return isReplace(applyReplaceOnChanges(result, state.replaceOnChanges ?? [], false));
}
