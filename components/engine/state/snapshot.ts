/**
 * The state of a stack while an operation changes it (pkg/backend/snapshot.go): the resources settled so far, in
 * the order they settled, then those of the last checkpoint that nobody has touched yet. Every step is written
 * down twice: as a pending operation before it begins, and with its result. Both wait until the file is durable;
 * steps that run side by side share one write.
 */
import type { OperationType, PendingOperation, ResourceState } from "../resource-state.ts";
import type { Deployment } from "./checkpoint.ts";

/** Writes a deployment durably. Called one at a time. */
export type Persist = (deployment: Deployment) => Promise<void>;

export class Snapshot {
  readonly base: Deployment;
  readonly #persist: Persist;
  readonly #settled: ResourceState[] = [];
  readonly #done = new Set<ResourceState>();
  readonly #pending = new Set<PendingOperation>();
  /** Creates of an earlier, interrupted operation that this one has not come to yet. */
  readonly #interrupted: Set<PendingOperation>;
  #writing: Promise<void> = Promise.resolve();
  #next: Promise<void> | undefined;
  #dirty = false;

  constructor(base: Deployment, persist: Persist) {
    this.base = base;
    this.#persist = persist;
    this.#interrupted = new Set(base.pending.filter((operation) => operation.type === "creating"));
    this.#dirty = base.pending.length > this.#interrupted.size;
  }

  /** The resources of the last checkpoint by URN, without those that only wait for their deletion. */
  olds(): Map<string, ResourceState> {
    return new Map(this.base.resources.filter((state) => !state.delete).map((state) => [state.urn, state]));
  }

  /** Creates that an earlier operation began and whose end is not known. */
  get interrupted(): PendingOperation[] {
    return [...this.#interrupted];
  }

  /** Forgets an interrupted create: the resource is settled anew, or refreshed. */
  forgetInterrupted(urn: string): void {
    for (const operation of this.#interrupted) {
      if (operation.resource.urn !== urn) continue;
      this.#interrupted.delete(operation);
      this.#dirty = true;
    }
  }

  /** Notes that a step begins; resolves when that is durable. */
  async begin(resource: ResourceState, type: OperationType): Promise<PendingOperation> {
    const operation = { resource, type };
    this.#pending.add(operation);
    await this.write();
    return operation;
  }

  /** Puts a resource into the state, in place of `old`, another object. Nothing is written before the next {@link write}. */
  settle(next: ResourceState, old?: ResourceState): void {
    if (old) this.#done.add(old);
    this.#settled.push(next);
    this.#dirty = true;
  }

  /** The same for a resource that stays as it was: alone this makes no write necessary. */
  keep(next: ResourceState, old: ResourceState): void {
    this.#done.add(old);
    this.#settled.push(next);
  }

  /** Takes a resource out of the state. */
  remove(state: ResourceState): void {
    this.#done.add(state);
    this.#dirty = true;
  }

  /** Says that a settled resource was changed in place, as outputs are. */
  touch(): void {
    this.#dirty = true;
  }

  /** Ends a pending operation. */
  end(operation: PendingOperation): void {
    this.#pending.delete(operation);
    this.#dirty = true;
  }

  get changed(): boolean {
    return this.#dirty;
  }

  /** The state as it stands now. */
  deployment(): Deployment {
    return {
      resources: [...this.#settled, ...this.base.resources].filter((state) => !this.#done.has(state)),
      pending: [...this.#pending, ...this.#interrupted],
      metadata: this.base.metadata,
    };
  }

  /** Makes everything noted so far durable. Calls that come while a write runs share the next one. */
  write(): Promise<void> {
    if (this.#next) return this.#next;
    const next = this.#writing
      .catch(() => {})
      .then(() => {
        this.#next = undefined;
        this.#dirty = false;
        return this.#persist(this.deployment());
      });
    this.#next = next;
    this.#writing = next;
    return next;
  }
}
