/**
 * Doing what was decided: calls the provider, writes the result down and tells what happened
 * (pkg/resource/deploy/step.go, step_executor.go). A step that fails leaves the state as it was, except that an
 * object which exists but is not complete is kept with its reasons. In a preview providers are asked for what
 * would come out, and nothing is written.
 */
import type { PropertyChange } from "./diff.ts";
import { messageOf } from "./errors.ts";
import type { EmitEvent, StepOp, StepView } from "./events.ts";
import type { HookMoment, HookTable } from "./hooks.ts";
import { Limiter } from "./limiter.ts";
import { PartialFailure, type PropertyMap } from "./provider.ts";
import type { ConfiguredProvider, ProviderRegistry } from "./provider-registry.ts";
import type { OperationType, ResourceState } from "./resource-state.ts";
import type { Snapshot } from "./state/snapshot.ts";
import { isProviderType, nameOf } from "./urn.ts";
import { containsSecret, equal, isSecret, secret } from "./wire.ts";

/** Thrown for a step that was not begun because another one had failed or the operation was cancelled. */
export class Stopped extends Error {
  override readonly name = "Stopped";
  constructor() {
    super("the operation was stopped");
  }
}

/** What a step is shown with. */
export interface StepDetails {
  op: StepOp;
  changes?: PropertyChange[];
  replaceKeys?: string[];
}

/** Who makes and changes an object. */
export type StepProvider = Pick<ConfiguredProvider, "create" | "update">;

export interface StepRunnerOptions {
  preview: boolean;
  /** How many steps may be in progress. */
  parallel: number;
  snapshot: Snapshot;
  providers: ProviderRegistry;
  hooks: HookTable;
  emit: EmitEvent;
}

/** Makes a secret of every output that is named as one, or shares its name with a secret input. */
export function markSecretOutputs(state: ResourceState): void {
  for (const [key, value] of Object.entries(state.outputs)) {
    const named = state.additionalSecretOutputs?.includes(key) ?? false;
    const shared =
      containsSecret(state.inputs[key]) && (isSecret(state.inputs[key]) || !containsSecret(value));
    if ((named || shared) && !isSecret(value)) state.outputs[key] = secret(value);
  }
}

/** What a same step must write down although no provider was asked to do anything. */
function differs(old: ResourceState, next: ResourceState): boolean {
  const compared = (state: ResourceState) => ({
    ...state,
    aliases: undefined,
    created: undefined,
    modified: undefined,
    extra: undefined,
    dependencies: state.dependencies?.toSorted(),
    propertyDependencies: Object.fromEntries(
      Object.entries(state.propertyDependencies ?? {}).map(([key, urns]) => [key, urns.toSorted()]),
    ),
  });
  const clean = (state: ResourceState) =>
    Object.fromEntries(
      Object.entries(compared(state)).filter(
        ([, value]) =>
          value !== undefined &&
          value !== false &&
          !(typeof value === "object" && value !== null && Object.keys(value).length === 0),
      ),
    );
  return !equal(clean(old), clean(next));
}

export class StepRunner {
  readonly #options: StepRunnerOptions;
  readonly #limiter: Limiter;
  /** "After" hooks of components wait until the component gives its outputs. */
  readonly #componentHooks = new Map<string, HookMoment>();
  readonly #told = new Set<unknown>();
  #stopped = false;
  #failures = 0;

  constructor(options: StepRunnerOptions) {
    this.#options = options;
    this.#limiter = new Limiter(options.parallel);
  }

  /** Whether a step failed. */
  get failed(): boolean {
    return this.#failures > 0;
  }

  /** Whether no further step may begin. */
  get stopped(): boolean {
    return this.#stopped;
  }

  /** Lets what is in progress finish and begins nothing more. */
  stop(): void {
    this.#stopped = true;
  }

  /** Counts an error that reached the program, unless a step has told it already. */
  report(urn: string, error: unknown): void {
    if (error instanceof Stopped || this.#told.has(error)) return;
    this.#told.add(error);
    this.fail(urn, messageOf(error));
  }

  /** Counts a failure that belongs to no step, and stops. */
  fail(urn: string, message: string): void {
    this.#failures += 1;
    this.#stopped = true;
    this.#options.emit({ kind: "diagnostic", severity: "error", urn, message });
  }

  guard(): void {
    if (this.#stopped) throw new Stopped();
  }

  /** A resource that stays as it is, perhaps under another URN or with other options. */
  same(next: ResourceState, old: ResourceState): ResourceState {
    next.id = old.id;
    next.outputs = old.outputs;
    if (equal(next.inputs, old.inputs)) next.inputs = old.inputs;
    if (old.extra) next.extra = old.extra;
    if (old.created) next.created = old.created;
    if (old.modified) next.modified = old.modified;
    if (old.taint) next.taint = old.taint;
    if (differs(old, next)) this.#options.snapshot.settle(next, old);
    else this.#options.snapshot.keep(next, old);
    const step = this.#view({ op: "same" }, next, old);
    this.#options.emit({ kind: "step-started", step });
    this.#options.emit({ kind: "step-done", step, seconds: 0 });
    return next;
  }

  /** A new object. `old` is what it replaces: already deleted, or to be deleted at the end. */
  async create(
    next: ResourceState,
    provider: StepProvider | undefined,
    details: StepDetails,
    old?: ResourceState,
  ) {
    await this.#step(details, "creating", next, old, async () => {
      const { urn, type, inputs } = next;
      await this.#hook("BeforeCreate", next, { newInputs: inputs });
      let failure: PartialFailure | undefined;
      if (provider) {
        const request = {
          urn,
          type,
          name: nameOf(urn),
          inputs,
          preview: this.#options.preview,
          timeoutSeconds: next.customTimeouts?.create ?? 0,
        };
        const result = await provider.create(request).catch((error: unknown) => {
          if (!(error instanceof PartialFailure)) throw error;
          failure = error;
          return error;
        });
        if (!result.id && !this.#options.preview) throw new Error("the provider gave the new object no id");
        next.id = result.id || undefined;
        next.outputs = result.outputs;
        markSecretOutputs(next);
      }
      this.#stamp(next);
      next.created = next.modified;
      if (failure) next.initErrors = failure.reasons;
      if (old && !old.pendingReplacement) old.delete = true;
      this.#options.snapshot.settle(next, old?.pendingReplacement ? old : undefined);
      this.#options.snapshot.forgetInterrupted(urn);
      if (failure) throw failure;
      if (next.custom)
        await this.afterHook("AfterCreate", next, { newInputs: inputs, newOutputs: next.outputs });
    });
  }

  /** A change in place. */
  async update(
    next: ResourceState,
    old: ResourceState,
    provider: StepProvider | undefined,
    details: StepDetails,
  ) {
    next.id = old.id;
    next.created = old.created;
    next.modified = old.modified;
    if (old.extra) next.extra = old.extra;
    await this.#step(details, "updating", next, old, async () => {
      const { urn, type, inputs } = next;
      const hook = { newInputs: inputs, oldInputs: old.inputs, oldOutputs: old.outputs };
      await this.#hook("BeforeUpdate", next, hook);
      let failure: PartialFailure | undefined;
      next.outputs = old.outputs;
      if (provider) {
        const request = {
          urn,
          type,
          name: nameOf(urn),
          id: old.id ?? "",
          oldInputs: old.inputs,
          olds: old.outputs,
          news: inputs,
          preview: this.#options.preview,
          timeoutSeconds: next.customTimeouts?.update ?? 0,
          ignoreChanges: next.ignoreChanges ?? [],
        };
        const result = await provider.update(request).catch((error: unknown) => {
          if (!(error instanceof PartialFailure)) throw error;
          failure = error;
          return error;
        });
        next.outputs = result.outputs;
        markSecretOutputs(next);
        this.#stamp(next);
      }
      if (failure) next.initErrors = failure.reasons;
      this.#options.snapshot.settle(next, old);
      if (failure) throw failure;
      if (next.custom) await this.afterHook("AfterUpdate", next, { ...hook, newOutputs: next.outputs });
      else this.#componentHooks.set(urn, "AfterUpdate");
    });
  }

  /**
   * Deletes an object. `keepPending` is the first half of a delete-before-replace: the entry stays until its
   * successor is made. `coveredBy` tells that another deletion takes the object along (deletedWith).
   */
  async remove(
    old: ResourceState,
    olds: Iterable<ResourceState>,
    details: StepDetails,
    options: { keepPending?: boolean; covered?: boolean } = {},
  ) {
    await this.#step(details, "deleting", undefined, old, async () => {
      await this.#hook("BeforeDelete", old, { oldInputs: old.inputs, oldOutputs: old.outputs });
      if (old.protect && details.op === "delete" && !options.keepPending)
        throw new Error(protectedMessage(old.urn));
      const owned = old.custom && !old.external && !old.retainOnDelete && !options.covered;
      if (owned && !this.#options.preview && !isProviderType(old.type)) {
        const provider = await this.#options.providers.get(old.provider ?? "", old.urn, olds);
        await provider.whole.delete({
          urn: old.urn,
          type: old.type,
          name: nameOf(old.urn),
          id: old.id ?? "",
          oldInputs: old.inputs,
          state: old.outputs,
          timeoutSeconds: old.customTimeouts?.delete ?? 0,
        });
      }
      if (options.keepPending) {
        old.pendingReplacement = true;
        this.#options.snapshot.touch();
      } else {
        this.#options.snapshot.remove(old);
      }
      await this.afterHook("AfterDelete", old, { oldInputs: old.inputs, oldOutputs: old.outputs });
    });
  }

  /** Looks an object up that the program names and does not own, or that it takes over (`import`). */
  async read(
    next: ResourceState,
    id: string,
    provider: ConfiguredProvider,
    details: StepDetails,
    old?: ResourceState,
  ) {
    const pending = details.op === "import" ? "importing" : "reading";
    await this.#step(details, pending, next, old, async () => {
      const { urn, type } = next;
      const imported = details.op === "import";
      const inputs = imported ? {} : next.inputs;
      const got = await provider.whole.read({
        urn,
        type,
        name: nameOf(urn),
        id,
        inputs,
        state: imported ? {} : next.inputs,
      });
      if (!got.id) throw new Error(`there is no object with the id '${id}'`);
      next.id = got.id;
      next.outputs = got.outputs;
      if (imported) next.inputs = got.inputs;
      markSecretOutputs(next);
      this.#stamp(next);
      next.created = next.modified;
      const replaced = old !== undefined && !old.external && old.id !== got.id;
      if (replaced) old.delete = true;
      this.#options.snapshot.settle(next, replaced ? undefined : old);
    });
  }

  /** A component gave its outputs: it is complete. */
  async componentDone(state: ResourceState, outputs: PropertyMap): Promise<void> {
    const moment = this.#componentHooks.get(state.urn);
    if (moment) await this.afterHook(moment, state, { newInputs: state.inputs, newOutputs: outputs });
  }

  #stamp(state: ResourceState): void {
    state.modified = new Date().toISOString();
  }

  #view(details: StepDetails, next: ResourceState | undefined, old: ResourceState | undefined): StepView {
    const { urn, type, parent = "", custom } = (next ?? old)!;
    const { op, changes = [], replaceKeys = [] } = details;
    return {
      op,
      urn,
      type,
      name: nameOf(urn),
      parent,
      custom,
      ...(old && { old }),
      ...(next && { next }),
      changes,
      replaceKeys,
    };
  }

  async #step(
    details: StepDetails,
    type: OperationType,
    next: ResourceState | undefined,
    old: ResourceState | undefined,
    work: () => Promise<void>,
  ): Promise<void> {
    const { emit, snapshot, preview } = this.#options;
    await this.#limiter.run(async () => {
      this.guard();
      const step = this.#view(details, next, old);
      emit({ kind: "step-started", step });
      const began = performance.now();
      const seconds = () => (performance.now() - began) / 1000;
      const operation = preview ? undefined : await snapshot.begin((next ?? old)!, type);
      try {
        await work();
      } catch (error) {
        this.#failures += 1;
        this.#stopped = true;
        this.#told.add(error);
        emit({ kind: "step-failed", step, seconds: seconds(), message: messageOf(error) });
        throw error;
      } finally {
        if (operation) {
          snapshot.end(operation);
          await snapshot.write();
        }
      }
      emit({ kind: "step-done", step, seconds: seconds() });
    });
  }

  #hook(moment: HookMoment, state: ResourceState, values: Record<string, PropertyMap>): Promise<void> {
    const { urn, type, id = "" } = state;
    return this.#options.hooks.run(moment, state, { urn, type, id, ...values });
  }

  /**
   * Runs an "after" hook. The object is made, changed or gone and the state must say so: the hook's failure fails
   * the operation, not the step.
   */
  async afterHook(moment: HookMoment, state: ResourceState, values: Record<string, PropertyMap>) {
    await this.#hook(moment, state, values).catch((error) => this.fail(state.urn, messageOf(error)));
  }
}

export const protectedMessage = (urn: string): string =>
  `${urn} is protected and cannot be deleted. Remove 'protect' from it in the program and run 'mailkeep up', then delete it.`;
