/**
 * Brings the state up to what is really there: every object is read, and what was changed or removed behind the
 * stack's back is written down (pkg/resource/deploy/step.go, RefreshStep). Nothing is made, changed or deleted;
 * the next `up` puts back what the program says.
 */
import { compare, type PropertyChange } from "./diff.ts";
import { messageOf } from "./errors.ts";
import type { EmitEvent, StepView } from "./events.ts";
import { Limiter } from "./limiter.ts";
import { PartialFailure, type ReadResult } from "./provider.ts";
import type { ProviderRegistry } from "./provider-registry.ts";
import { dependenciesOf, type ResourceState } from "./resource-state.ts";
import type { Snapshot } from "./state/snapshot.ts";
import { markSecretOutputs } from "./step-runner.ts";
import { isProviderType, nameOf } from "./urn.ts";

export interface RefreshOptions {
  snapshot: Snapshot;
  registry: ProviderRegistry;
  parallel: number;
  emit: EmitEvent;
  /** Checked before each read. */
  stopped: () => boolean;
}

/** Reads every object. Gives false when one could not be read; the others are refreshed all the same. */
export async function refresh(options: RefreshOptions): Promise<boolean> {
  const { snapshot, parallel } = options;
  const limiter = new Limiter(parallel);
  const resources = snapshot.base.resources;
  const results = await Promise.all(resources.map((state) => limiter.run(() => refreshOne(state, options))));
  // Settled in the order of the state, so that everything still follows what it stands on.
  const gone = new Set<string>();
  resources.forEach((state, index) => {
    const result = results[index];
    if (result === "gone") {
      gone.add(state.urn);
      snapshot.remove(state);
    } else if (result === "failed" || result === undefined) {
      snapshot.keep(withoutGone(state, gone), state);
    } else {
      snapshot.settle(withoutGone(result, gone), state);
    }
  });
  for (const { resource } of snapshot.interrupted) snapshot.forgetInterrupted(resource.urn);
  if (snapshot.changed) await snapshot.write();
  return !results.includes("failed");
}

/** What stood on an object that is gone no longer names it. */
function withoutGone(state: ResourceState, gone: ReadonlySet<string>): ResourceState {
  const named = [...dependenciesOf(state), state.parent ?? ""].some((urn) => gone.has(urn));
  if (!named) return { ...state };
  const left = (urns: string[] | undefined) => urns?.filter((urn) => !gone.has(urn));
  return {
    ...state,
    ...(state.parent && gone.has(state.parent) && { parent: undefined }),
    dependencies: left(state.dependencies),
    propertyDependencies: Object.fromEntries(
      Object.entries(state.propertyDependencies ?? {}).map(([key, urns]) => [key, left(urns) ?? []]),
    ),
    ...(state.deletedWith && gone.has(state.deletedWith) && { deletedWith: undefined }),
    replaceWith: left(state.replaceWith),
  };
}

/** The state as read, "gone", "failed", or undefined for what is never read. */
async function refreshOne(
  state: ResourceState,
  { registry, snapshot, emit, stopped }: RefreshOptions,
): Promise<ResourceState | "gone" | "failed" | undefined> {
  if (!state.custom || isProviderType(state.type) || state.pendingReplacement || !state.provider)
    return undefined;
  if (stopped()) return undefined;
  const { urn, type, parent = "" } = state;
  const step: StepView = {
    op: "refresh",
    urn,
    type,
    name: nameOf(urn),
    parent,
    custom: true,
    old: state,
    changes: [],
    replaceKeys: [],
  };
  emit({ kind: "step-started", step });
  const began = performance.now();
  const seconds = () => (performance.now() - began) / 1000;
  try {
    const provider = await registry.get(state.provider, urn, snapshot.base.resources);
    const request = {
      urn,
      type,
      name: nameOf(urn),
      id: state.id ?? "",
      inputs: state.inputs,
      state: state.outputs,
    };
    let reasons: string[] | undefined;
    const read = await provider.whole.read(request).catch((error: unknown): ReadResult => {
      if (!(error instanceof PartialFailure)) throw error;
      reasons = error.reasons;
      return { id: error.id, inputs: error.inputs ?? state.inputs, outputs: error.outputs };
    });
    if (read.id === "") {
      emit({ kind: "step-done", step: { ...step, op: "delete" }, seconds: seconds() });
      return "gone";
    }
    const next: ResourceState = { ...state, id: read.id, inputs: read.inputs, outputs: read.outputs };
    delete next.initErrors;
    if (reasons) next.initErrors = reasons;
    markSecretOutputs(next);
    const changes: PropertyChange[] = [
      ...compare(state.inputs, next.inputs),
      ...compare(state.outputs, next.outputs),
    ];
    const places = new Map(changes.map((change) => [change.path, change]));
    if (reasons) emit({ kind: "diagnostic", severity: "warning", urn, message: reasons.join("; ") });
    const changed =
      places.size > 0 || reasons !== undefined || state.initErrors !== undefined || next.id !== state.id;
    if (changed) next.modified = new Date().toISOString();
    emit({
      kind: "step-done",
      step: { ...step, op: changed ? "update" : "same", next, changes: [...places.values()] },
      seconds: seconds(),
    });
    return changed ? next : undefined;
  } catch (error) {
    emit({ kind: "step-failed", step, seconds: seconds(), message: messageOf(error) });
    return "failed";
  }
}
