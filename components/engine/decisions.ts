/**
 * What happens to a registered resource: asks its provider to check and compare it and settles between same,
 * create, update and replace (pkg/resource/deploy/step_generator.go). Checks and comparisons run side by side,
 * decisions one after the other, the steps they lead to side by side again.
 */
import type { AliasTable } from "./aliases.ts";
import { applyReplaceOnChanges, describeChanges, isReplace, resolveUnknownDiff } from "./diff.ts";
import type { EmitEvent } from "./events.ts";
import type { Goal } from "./goal.ts";
import { Limiter } from "./limiter.ts";
import { parsePath, resetPath } from "./property-path.ts";
import type { CheckResult, DiffResult, PropertyMap } from "./provider.ts";
import type { ConfiguredProvider, ProviderRegistry } from "./provider-registry.ts";
import { dependentReplacements } from "./replacement.ts";
import type { ResourceState } from "./resource-state.ts";
import type { Snapshot } from "./state/snapshot.ts";
import { type StepDetails, type StepProvider, type StepRunner, Stopped } from "./step-runner.ts";
import { formatProviderReference, isProviderType, nameOf, parseProviderReference } from "./urn.ts";
import { containsUnknown, equal, plain } from "./wire.ts";

/** A resource on its way through the decisions. */
export interface Candidate {
  goal: Goal;
  urn: string;
  next: ResourceState;
  old: ResourceState | undefined;
  /** Undefined for components and for providers themselves. */
  provider: ConfiguredProvider | undefined;
}

export interface DecisionOptions {
  preview: boolean;
  parallel: number;
  snapshot: Snapshot;
  registry: ProviderRegistry;
  runner: StepRunner;
  aliases: AliasTable;
  emit: EmitEvent;
  /** The resources settled in this operation. */
  settled: ReadonlyMap<string, ResourceState>;
}

const NO_CHANGES: DiffResult = {
  changes: "none",
  replaces: [],
  deleteBeforeReplace: false,
  detailedDiff: {},
};
const SOME_CHANGES: DiffResult = { ...NO_CHANGES, changes: "some" };
const replaceBecauseOf = (key: string): DiffResult => ({ ...SOME_CHANGES, replaces: [key] });

const RANDOM_SEED_BYTES = 32;

export class Decisions {
  /** URNs that have had a decision. */
  readonly operatedOn = new Set<string>();
  /** URNs whose object was deleted in this operation, with no successor yet. */
  readonly deleted = new Set<string>();
  /** Old states that were deleted in this operation, or that nobody is to delete. */
  readonly deletedStates = new Set<ResourceState>();
  readonly #replaced = new Set<string>();
  readonly #options: DecisionOptions;
  readonly #queue = new Limiter(1);
  readonly #asking: Limiter;

  constructor(options: DecisionOptions) {
    this.#options = options;
    this.#asking = new Limiter(options.parallel);
  }

  /** Decides and does. `imported` tells that `old` was just read for this very registration. */
  async settle(candidate: Candidate, imported: boolean): Promise<ResourceState> {
    const { urn, next, old } = candidate;
    const fresh = !old || old.external || this.deleted.has(urn);
    next.inputs = await this.#check(candidate, fresh ? undefined : old);
    if (!old) {
      this.operatedOn.add(urn);
      this.#noticeInterrupted(urn);
      return this.#create(candidate, { op: "create" });
    }
    const diff = fresh ? SOME_CHANGES : await this.#asking.run(() => this.#diff(candidate, old));
    const step = await this.#queue.run(() => this.#decide(candidate, old, diff, imported));
    return step();
  }

  /** Checked inputs. Reports every failure of the resource, and then throws {@link Stopped}. */
  async #check({ goal, urn, provider }: Candidate, old: ResourceState | undefined): Promise<PropertyMap> {
    const { registry, runner, emit, preview } = this.#options;
    const news = structuredClone(goal.inputs);
    if (old) {
      const lost = goal.ignoreChanges.filter((path) => !resetPath(parsePath(path), old.inputs, news));
      if (lost.length > 0) {
        const message = `ignoreChanges cannot follow ${lost.join(", ")} through elements that were added or removed`;
        emit({ kind: "diagnostic", severity: "info", urn, message });
      }
    }
    const olds = old?.inputs ?? {};
    let result: CheckResult = { inputs: news, failures: [] };
    if (isProviderType(goal.type)) {
      result = await registry.check(urn, goal.type, olds, news);
    } else if (provider) {
      const randomSeed = crypto.getRandomValues(new Uint8Array(RANDOM_SEED_BYTES));
      const request = { urn, type: goal.type, name: nameOf(urn), olds, news, randomSeed };
      result = await this.#asking.run(() => provider.check(request));
    }
    for (const { property, reason } of result.failures) {
      runner.fail(urn, property === "" ? reason : `${property}: ${reason}`);
    }
    if (result.failures.length > 0) throw new Stopped();
    if (!preview && containsUnknown(result.inputs)) {
      throw new Error(`${urn} has an input that is still unknown although this is no preview`);
    }
    return result.inputs;
  }

  async #diff({ goal, urn, next, provider }: Candidate, old: ResourceState): Promise<DiffResult> {
    if (goal.replaceWith.some((other) => this.#replaced.has(other))) return replaceBecauseOf("replaceWith");
    if (goal.deletedWith && this.#replaced.has(goal.deletedWith)) return replaceBecauseOf("deletedWith");
    if (triggersReplacement(goal.replacementTrigger, old.replacementTrigger)) {
      return replaceBecauseOf("replacementTrigger");
    }
    if (await this.#providerChanged(old, next)) return replaceBecauseOf("provider");
    if (isProviderType(goal.type)) return this.#options.registry.diff(urn, old, next.inputs);
    if (!provider) return equal(old.inputs, next.inputs) ? NO_CHANGES : SOME_CHANGES;
    const answer = await provider.diff({
      urn,
      type: goal.type,
      name: nameOf(urn),
      id: old.id ?? "",
      oldInputs: old.inputs,
      olds: old.outputs,
      news: next.inputs,
      ignoreChanges: goal.ignoreChanges,
    });
    const result = resolveUnknownDiff(answer, old.inputs, next.inputs);
    return applyReplaceOnChanges(result, goal.replaceOnChanges, isBroken(old));
  }

  /** Whether another provider serves the resource now, one that cannot manage the old object. */
  async #providerChanged(old: ResourceState, next: ResourceState): Promise<boolean> {
    if (old.provider === next.provider) return false;
    if (!old.provider || !next.provider) return old.custom !== next.custom;
    const { aliases, snapshot, settled, registry } = this.#options;
    const before = parseProviderReference(old.provider);
    const now = parseProviderReference(next.provider);
    if (aliases.continuedBy(before.urn) === now.urn && before.id === now.id) return false;
    const oldState = snapshot.base.resources.find(({ urn, id }) => urn === before.urn && id === before.id);
    const newState = settled.get(now.urn);
    if (!oldState || !newState) return true;
    const provider = await registry.get(next.provider, next.urn, snapshot.base.resources);
    const request = {
      urn: now.urn,
      oldInputs: oldState.inputs,
      olds: oldState.outputs,
      news: newState.inputs,
    };
    return isReplace(await provider.diffConfig(request));
  }

  /** Settles what happens; what it returns does it, outside the queue of decisions. */
  async #decide(
    candidate: Candidate,
    old: ResourceState,
    diff: DiffResult,
    imported: boolean,
  ): Promise<() => Promise<ResourceState>> {
    const { goal, urn, next } = candidate;
    this.#options.runner.guard();
    this.operatedOn.add(urn);
    const details = { changes: describeChanges(diff, old, next.inputs), replaceKeys: diff.replaces };

    if (this.deleted.has(urn)) {
      // Deleted earlier in this operation with what it stands on: made again, from fresh inputs.
      this.deleted.delete(urn);
      this.#replaced.add(urn);
      next.inputs = await this.#check(candidate, undefined);
      return () => this.#create(candidate, { op: "replace", ...details });
    }
    if (old.external) {
      this.#replaced.add(urn);
      this.deletedStates.add(old);
      this.#options.snapshot.remove(old);
      return () => this.#create({ ...candidate, old: undefined }, { op: "create" });
    }
    const replace = old.pendingReplacement || old.taint || (diff.changes === "some" && isReplace(diff));
    if (!replace && diff.changes !== "some" && !isBroken(old)) {
      return imported ? async () => old : () => this.#same(candidate, old);
    }
    if (!replace) return () => this.#update(candidate, old, { op: "update", ...details });

    const because = `${urn} must be replaced (${diff.replaces.join(", ")})`;
    if (old.protect && next.protect) {
      throw new Error(`${because} and is protected; remove 'protect' from it in the program first`);
    }
    if (goal.importId !== "") {
      throw new Error(`${because} and was imported; remove 'import' from it in the program first`);
    }
    this.#replaced.add(urn);
    next.inputs = await this.#check(candidate, undefined);
    const deleteFirst = goal.deleteBeforeReplace ?? diff.deleteBeforeReplace;
    if (deleteFirst && !old.pendingReplacement) await this.#deleteFirst(old, urn);
    return () => this.#create(candidate, { op: "replace", ...details });
  }

  /** Deletes an object before its successor is made, and before it what is replaced along with it. */
  async #deleteFirst(old: ResourceState, urn: string): Promise<void> {
    const { snapshot, registry, runner, aliases } = this.#options;
    const resources = snapshot.base.resources;
    const referenceOf = ({ urn: own, type, id = "", provider = "" }: ResourceState) =>
      isProviderType(type) ? formatProviderReference({ urn: own, id }) : provider;
    const dependents = await dependentReplacements(
      old,
      resources,
      (other) => this.operatedOn.has(aliases.continuedBy(other) ?? other),
      (state) => registry.get(referenceOf(state), state.urn, resources),
    );
    const blocked = dependents.find((state) => state.protect && !state.delete);
    if (blocked) {
      throw new Error(
        `${blocked.urn} must be replaced together with ${urn} and is protected; remove 'protect' from it in the program first`,
      );
    }
    for (const state of [...dependents.toReversed(), old]) {
      if (this.deletedStates.has(state) || state.pendingReplacement) continue;
      this.deletedStates.add(state);
      if (state !== old) this.deleted.add(state.urn);
      const withOther = state.deletedWith;
      const covered = withOther !== undefined && (withOther === old.urn || this.deleted.has(withOther));
      await runner.remove(
        state,
        resources,
        { op: "delete-replaced" },
        { keepPending: !state.delete, covered },
      );
    }
  }

  #noticeInterrupted(urn: string): void {
    if (!this.#options.snapshot.interrupted.some(({ resource }) => resource.urn === urn)) return;
    const message = "an earlier run was interrupted while this was being created; it is finished now";
    this.#options.emit({ kind: "diagnostic", severity: "info", urn, message });
  }

  async #same({ goal, urn, next }: Candidate, old: ResourceState): Promise<ResourceState> {
    if (isProviderType(goal.type)) await this.#options.registry.configure(urn, goal.type, old.id, old.inputs);
    return this.#options.runner.same(next, old);
  }

  async #create(candidate: Candidate, details: StepDetails): Promise<ResourceState> {
    const { next, old } = candidate;
    await this.#options.runner.create(next, this.#implementation(candidate, undefined), details, old);
    return next;
  }

  async #update(candidate: Candidate, old: ResourceState, details: StepDetails): Promise<ResourceState> {
    await this.#options.runner.update(candidate.next, old, this.#implementation(candidate, old.id), details);
    return candidate.next;
  }

  /** Who makes and changes the object. A provider resource is made and changed by configuring the provider. */
  #implementation({ goal, urn, provider }: Candidate, id: string | undefined): StepProvider | undefined {
    if (!isProviderType(goal.type)) return provider;
    const outputsOf = ({ __internal: _, ...config }: PropertyMap) => config;
    const configure = (inputs: PropertyMap) => this.#options.registry.configure(urn, goal.type, id, inputs);
    return {
      create: async ({ inputs }) => ({ id: await configure(inputs), outputs: outputsOf(inputs) }),
      update: async ({ news }) => {
        await configure(news);
        return { outputs: outputsOf(news) };
      },
    };
  }
}

/** Whether the last create or update of an object did not complete. */
const isBroken = (state: ResourceState): boolean => (state.initErrors?.length ?? 0) > 0;

/** Unknown triggers count as changed; a missing one never does. */
function triggersReplacement(now: unknown, before: unknown): boolean {
  if (containsUnknown(now) || containsUnknown(before)) return true;
  const given = (value: unknown) => value !== undefined && value !== null;
  return given(now) && given(before) && !equal(plain(now), plain(before));
}
