/**
 * One operation on a stack: takes what the program registers, has it decided and done, and at the end deletes what
 * the program no longer names. The rules are those of the Pulumi engine (pkg/resource/deploy); what is missing
 * here are targets, plans, policies, remote components and views.
 *
 * It promises: nothing is deleted after a failure; a resource that was renamed with an alias keeps its object;
 * each resource is settled in the state before anything that stands on it begins. It never talks to the program
 * itself (`monitor.ts` does) and never to a terminal.
 */
import { AliasTable } from "./aliases.ts";
import { type Candidate, Decisions } from "./decisions.ts";
import { deletionLayers } from "./deletion-order.ts";
import type { EmitEvent } from "./events.ts";
import { EMPTY_GOAL, type Goal, type ReadGoal } from "./goal.ts";
import type { HookTable } from "./hooks.ts";
import { type PropertyMap, type ProviderFactory, UNKNOWN } from "./provider.ts";
import { type ConfiguredProvider, ProviderRegistry } from "./provider-registry.ts";
import { inheritFromParent, stateFrom } from "./registration.ts";
import type { ResourceState } from "./resource-state.ts";
import type { Snapshot } from "./state/snapshot.ts";
import { protectedMessage, StepRunner } from "./step-runner.ts";
import { formatProviderReference, isProviderType, makeUrn, packageOf, providerTypeOf } from "./urn.ts";
import { equal } from "./wire.ts";

export interface DeploymentOptions {
  project: string;
  stack: string;
  preview: boolean;
  /** How many steps may be in progress. */
  parallel: number;
  snapshot: Snapshot;
  providers: Readonly<Record<string, ProviderFactory>>;
  hooks: HookTable;
  emit: EmitEvent;
}

export class Deployment {
  readonly runner: StepRunner;
  readonly hooks: HookTable;
  readonly registry: ProviderRegistry;
  readonly #options: DeploymentOptions;
  readonly #aliases: AliasTable;
  readonly #decisions: Decisions;
  readonly #seen = new Set<string>();
  readonly #goals = new Map<string, Goal>();
  readonly #settled = new Map<string, ResourceState>();
  readonly #defaults = new Map<string, Promise<string>>();

  constructor(options: DeploymentOptions) {
    this.#options = options;
    this.hooks = options.hooks;
    this.#aliases = new AliasTable(options.stack, options.project, options.snapshot.olds());
    this.registry = new ProviderRegistry(options.providers, options.preview);
    this.runner = new StepRunner({ ...options, providers: this.registry });
    this.#decisions = new Decisions({
      ...options,
      registry: this.registry,
      runner: this.runner,
      aliases: this.#aliases,
      settled: this.#settled,
    });
  }

  /** Begins no further step and tells the providers to come to an end. */
  async cancel(): Promise<void> {
    this.runner.stop();
    await this.registry.cancel();
  }

  /** A resource settled in this operation, for `pulumi:pulumi:getResource`. */
  resource(urn: string): ResourceState | undefined {
    return this.#settled.get(urn);
  }

  /** Registers a resource and does what has to be done for it. Throws `Stopped`, or the step's error. */
  async register(request: Goal): Promise<ResourceState> {
    this.runner.guard();
    const goal = inheritFromParent(request, this.#goals.get(request.parent));
    const urn = this.#claim(goal);
    const { old, alias } = this.#aliases.find(urn, goal, this.#seen);
    this.#goals.set(urn, goal);
    const reference = await this.#providerOf(goal, urn);
    const provider = reference === "" ? undefined : await this.#get(reference, urn);
    const candidate: Candidate = { goal, urn, old, provider, next: stateFrom(goal, urn, alias, reference) };
    const imported = await this.#import(candidate);
    const state = await this.#decisions.settle(
      { ...candidate, old: imported ?? old },
      imported !== undefined,
    );
    this.#settled.set(urn, state);
    return state;
  }

  /** Calls a function of a package. */
  async invoke(token: string, args: PropertyMap, reference: string, version: string): Promise<PropertyMap> {
    this.runner.guard();
    const provider = reference || (await this.#defaultProvider(packageOf(token), version, token));
    return (await this.#get(provider, token)).invoke({ token, args });
  }

  /** Looks up an object that the program names by its id and does not own. */
  async read(goal: ReadGoal): Promise<ResourceState> {
    this.runner.guard();
    const urn = this.#claim(goal);
    const { old } = this.#aliases.find(urn, { ...goal, aliases: [] }, this.#seen);
    const provider = goal.provider || (await this.#defaultProvider(packageOf(goal.type), goal.version, urn));
    const state: ResourceState = {
      urn,
      custom: true,
      type: goal.type,
      external: true,
      inputs: goal.properties,
      outputs: {},
      provider,
      ...(goal.parent && { parent: goal.parent }),
      ...(goal.dependencies.length > 0 && { dependencies: goal.dependencies }),
      ...(goal.additionalSecretOutputs.length > 0 && {
        additionalSecretOutputs: goal.additionalSecretOutputs,
      }),
    };
    this.#decisions.operatedOn.add(urn);
    if (goal.id === UNKNOWN) return state;
    await this.runner.read(state, goal.id, await this.#get(provider, urn), { op: "read" }, old);
    this.#settled.set(urn, state);
    return state;
  }

  /** Takes a component's outputs, or those of the stack. */
  async registerOutputs(urn: string, outputs: PropertyMap): Promise<void> {
    const state = this.#settled.get(urn);
    if (!state) throw new Error(`${urn} gives outputs before it is registered`);
    this.#options.emit({ kind: "outputs", urn, outputs });
    await this.runner.componentDone(state, outputs);
    if (equal(state.outputs, outputs)) return;
    state.outputs = outputs;
    this.#options.snapshot.touch();
    if (!this.#options.preview) await this.#options.snapshot.write();
  }

  /** The program ended well: deletes what it no longer names, dependents first. Does nothing after a failure. */
  async finish(): Promise<void> {
    if (this.runner.stopped) return;
    const { snapshot, emit } = this.#options;
    const { operatedOn, deletedStates } = this.#decisions;
    const unnamed = ({ urn }: ResourceState) => !operatedOn.has(this.#aliases.continuedBy(urn) ?? urn);
    const [gone, rest] = partition(snapshot.base.resources, (state) => state.pendingReplacement === true);
    for (const state of gone.filter(unnamed)) snapshot.remove(state);
    await this.#deleteAll(
      rest.filter((state) => !deletedStates.has(state) && (state.delete || unnamed(state))),
    );
    for (const { resource } of snapshot.interrupted) {
      const message =
        "an earlier run was interrupted while this was being created, and the program no longer names it: " +
        "if it was made, it is still there and belongs to nobody ('mailkeep refresh' forgets it)";
      emit({ kind: "diagnostic", severity: "warning", urn: resource.urn, message });
    }
  }

  /** Deletes everything the state holds. */
  async destroy(): Promise<void> {
    const { snapshot } = this.#options;
    const [gone, rest] = partition(snapshot.base.resources, (state) => state.pendingReplacement === true);
    await this.#deleteAll(rest);
    if (this.runner.stopped) return;
    for (const state of gone) snapshot.remove(state);
    for (const { resource } of snapshot.interrupted) snapshot.forgetInterrupted(resource.urn);
  }

  async #deleteAll(condemned: ResourceState[]): Promise<void> {
    const { resources } = this.#options.snapshot.base;
    const { deleted } = this.#decisions;
    for (const state of condemned) {
      deleted.add(state.urn);
      if (state.protect && !state.delete) this.runner.fail(state.urn, protectedMessage(state.urn));
    }
    for (const layer of deletionLayers(resources, new Set(condemned))) {
      if (this.runner.stopped) return;
      const removals = layer.map((state) => {
        const op = state.delete ? "delete-replaced" : state.retainOnDelete ? "forget" : "delete";
        const covered = state.deletedWith !== undefined && deleted.has(state.deletedWith);
        return this.runner.remove(state, resources, { op }, { covered });
      });
      // A failure is reported by its step and stops the next layer; what runs beside it finishes.
      await Promise.allSettled(removals);
    }
  }

  #claim({ parent, type, name }: { parent: string; type: string; name: string }): string {
    if (parent !== "" && !this.#seen.has(parent)) {
      throw new Error(`${type} '${name}': its parent ${parent} is not registered`);
    }
    const urn = makeUrn(this.#options.stack, this.#options.project, parent, type, name);
    if (this.#seen.has(urn)) throw new Error(`${urn} is declared twice; give one of them another name`);
    this.#seen.add(urn);
    return urn;
  }

  /** The provider reference of a custom resource; "" for components and for providers themselves. */
  async #providerOf(goal: Goal, urn: string): Promise<string> {
    if (!goal.custom || isProviderType(goal.type)) return "";
    const packageName = packageOf(goal.type);
    const inherited = this.#goals.get(goal.parent)?.providers[packageName];
    const given = goal.provider || goal.providers[packageName] || inherited;
    return given || this.#defaultProvider(packageName, goal.version, urn);
  }

  /** The provider a package has where the program names none, registered when it is first needed. */
  async #defaultProvider(packageName: string, version: string, forWhat: string): Promise<string> {
    this.registry.assertServed(packageName, forWhat);
    const name = version === "" ? "default" : `default_${version.replace(/[.+-]/g, "_")}`;
    const key = `${packageName} ${name}`;
    const known = this.#defaults.get(key);
    if (known) return known;
    const inputs: PropertyMap = version === "" ? {} : { __internal: {}, version };
    const goal = { ...EMPTY_GOAL, type: providerTypeOf(packageName), name, inputs };
    const registered = this.register(goal).then(({ urn, id = "" }) => formatProviderReference({ urn, id }));
    this.#defaults.set(key, registered);
    return registered;
  }

  #get(reference: string, urn: string): Promise<ConfiguredProvider> {
    return this.registry.get(reference, urn, this.#options.snapshot.base.resources);
  }

  /** Takes an existing object over where the program names its id, and gives what was read. */
  async #import({ goal, next, old, provider }: Candidate): Promise<ResourceState | undefined> {
    if (goal.importId === "" || !provider) return undefined;
    if (old && !old.external && (old.importID ?? old.id) === goal.importId) return undefined;
    const read: ResourceState = { ...next };
    await this.runner.read(read, goal.importId, provider, { op: "import" }, old);
    return read;
  }
}

function partition<Item>(items: readonly Item[], first: (item: Item) => boolean): [Item[], Item[]] {
  return [items.filter(first), items.filter((item) => !first(item))];
}
