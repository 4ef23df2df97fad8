/**
 * From what a program asks for to the state it would have: options taken over from the parent, fields in the form
 * of the checkpoint. Everything here is pure.
 */
import type { Goal } from "./goal.ts";
import type { ResourceState } from "./resource-state.ts";
import { packageOf, parseProviderReference, parseUrn } from "./urn.ts";

/** Options a child takes over from its parent (pkg/resource/deploy/source_eval.go, inheritFromParent). */
export function inheritFromParent(goal: Goal, parent: Goal | undefined): Goal {
  if (!parent) return goal;
  const servesChild =
    parent.provider !== "" &&
    packageOf(parseUrn(parseProviderReference(parent.provider).urn).type) === packageOf(goal.type);
  return {
    ...goal,
    deletedWith: goal.deletedWith || parent.deletedWith,
    protect: goal.protect ?? parent.protect,
    retainOnDelete: goal.retainOnDelete ?? parent.retainOnDelete,
    provider: goal.provider || (!goal.custom || servesChild ? parent.provider : ""),
    providers: goal.custom ? goal.providers : { ...parent.providers, ...goal.providers },
  };
}

const nonEmpty = <Item>(list: Item[]): Item[] | undefined => (list.length > 0 ? list : undefined);

/** The state a registration leads to, before the provider has said anything about it. */
export function stateFrom(
  goal: Goal,
  urn: string,
  alias: string | undefined,
  provider: string,
): ResourceState {
  const timeouts = Object.entries(goal.customTimeouts).filter(([, seconds]) => seconds > 0);
  const hooks = Object.entries(goal.hooks).filter(([, names]) => names.length > 0);
  const optional: Partial<ResourceState> = {
    parent: goal.parent || undefined,
    protect: goal.protect || undefined,
    dependencies: nonEmpty(goal.dependencies),
    provider: provider || undefined,
    propertyDependencies: goal.propertyDependencies,
    additionalSecretOutputs: nonEmpty(goal.additionalSecretOutputs),
    aliases: alias === undefined ? undefined : [alias],
    customTimeouts: timeouts.length > 0 ? Object.fromEntries(timeouts) : undefined,
    importID: goal.importId || undefined,
    retainOnDelete: goal.retainOnDelete || undefined,
    deletedWith: goal.deletedWith || undefined,
    replaceWith: nonEmpty(goal.replaceWith),
    ignoreChanges: nonEmpty(goal.ignoreChanges),
    hideDiff: nonEmpty(goal.hideDiff),
    replaceOnChanges: nonEmpty(goal.replaceOnChanges),
    replacementTrigger: goal.replacementTrigger ?? undefined,
    resourceHooks: hooks.length > 0 ? Object.fromEntries(hooks) : undefined,
  };
  const given = Object.fromEntries(Object.entries(optional).filter(([, value]) => value !== undefined));
  return { urn, custom: goal.custom, type: goal.type, inputs: goal.inputs, outputs: {}, ...given };
}
