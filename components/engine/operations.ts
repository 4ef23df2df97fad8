/**
 * The embedded engine: runs the unmodified Pulumi program in this process, with the same providers, the same state
 * files, the same lock and the same secrets as the Pulumi CLI, and without it. It is not Pulumi and does not call
 * itself so: a stack can move to the CLI at any time, and back.
 *
 * It promises: the state is durable after every step, and says before each one what is about to happen; after
 * kill -9 at any point the next `up` finishes the work; a state that cannot be read is never written over.
 */
import { Deployment } from "./deployment.ts";
import { EngineError } from "./errors.ts";
import type { EmitEvent, EngineEvent, StepOp } from "./events.ts";
import { HookTable } from "./hooks.ts";
import type { PropertyMap, ProviderFactory } from "./provider.ts";
import type { ResourceState } from "./resource-state.ts";
import { formatCheckpoint, openCheckpoint, type Deployment as StoredDeployment } from "./state/checkpoint.ts";
import { describeHolder, takeLock } from "./state/lock.ts";
import type { SecretsManager } from "./state/passphrase.ts";
import { Snapshot } from "./state/snapshot.ts";
import { type HistoryEntry, ORGANIZATION, type StackFiles } from "./state/stack-files.ts";
import { STACK_TYPE } from "./urn.ts";

export interface Operation {
  files: StackFiles;
  /** Opens the stack's secrets; `salt` is the one in its state, if it has any. */
  secrets: (salt: string | undefined) => Promise<SecretsManager>;
  providers: Readonly<Record<string, ProviderFactory>>;
  emit: EmitEvent;
  /** How many steps may be in progress. */
  parallel?: number;
  /** Lets the steps in progress finish and begins no more. */
  signal?: AbortSignal;
}

/** The program and its configuration. */
export interface Program {
  /** The directory of Pulumi.yaml. */
  directory: string;
  config: Record<string, string>;
  secretKeys: string[];
  load: () => Promise<unknown>;
}

export interface OperationResult {
  succeeded: boolean;
  /** What was done, or would be, by kind of step. */
  counts: Partial<Record<StepOp, number>>;
  seconds: number;
  /** The stack's outputs in wire form: redact before showing. */
  outputs: PropertyMap;
  /** Whether anything was done or would be. */
  changed: boolean;
  /** Whether the state was written or would be: outputs and options change without a step. */
  stateChanged: boolean;
}

const PARALLEL_STEPS = 16;

/** Kinds of steps that change nothing. */
const QUIET: readonly StepOp[] = ["same", "read", "refresh"];

/** Says what `up` would do. Changes nothing and takes no lock. */
export async function preview(operation: Operation, program: Program): Promise<OperationResult> {
  const tally = new Tally(operation.emit);
  const { stored } = await load(operation);
  const snapshot = new Snapshot(stored, async () => {});
  const whole = await deploy({ ...operation, emit: tally.emit }, snapshot, { preview: true, program });
  return tally.result(snapshot, whole);
}

/** Makes reality what the program says. */
export async function up(operation: Operation, program: Program): Promise<OperationResult> {
  return change("update", operation, (locked, snapshot) =>
    deploy(locked, snapshot, { preview: false, program }),
  );
}

/** Makes the state what reality says. */
export async function refresh(operation: Operation): Promise<OperationResult> {
  return change("refresh", operation, async (locked, snapshot) => {
    const { refresh: readAll } = await import("./refresh.ts");
    const deployment = deploymentOf(locked, snapshot, false);
    const cancelled = () => locked.signal?.aborted ?? false;
    const whole = await readAll({
      snapshot,
      registry: deployment.registry,
      parallel: parallelOf(locked),
      emit: locked.emit,
      stopped: cancelled,
    });
    if (!whole) deployment.runner.stop();
    return whole;
  });
}

/** Deletes everything the stack holds, except what it says to keep. */
export async function destroy(operation: Operation): Promise<OperationResult> {
  return change("destroy", operation, async (locked, snapshot) => {
    const deployment = deploymentOf(locked, snapshot, false);
    await withCancel(locked, deployment, () => deployment.destroy());
    return !deployment.runner.stopped;
  });
}

/** Says what `destroy` would do. */
export async function previewDestroy(operation: Operation): Promise<OperationResult> {
  const tally = new Tally(operation.emit);
  const { stored } = await load(operation);
  const snapshot = new Snapshot(stored, async () => {});
  await deploymentOf({ ...operation, emit: tally.emit }, snapshot, true).destroy();
  return tally.result(snapshot);
}

/** The stack's outputs, in wire form. Throws `no-stack`. */
export async function outputs(operation: Pick<Operation, "files" | "secrets">): Promise<PropertyMap> {
  return stackOutputs(await resources(operation));
}

/** What the stack holds, in wire form. Throws `no-stack`. */
export async function resources(
  operation: Pick<Operation, "files" | "secrets">,
): Promise<readonly ResourceState[]> {
  const { stored, exists } = await load(operation);
  if (!exists) throw noStack(operation.files);
  return stored.resources;
}

const noStack = (files: StackFiles): EngineError =>
  new EngineError(
    "no-stack",
    `there is no stack '${files.stack}' in ${files.backend}; 'mailkeep up --stack ${files.stack}' makes it`,
  );

const parallelOf = (operation: Operation): number => operation.parallel ?? PARALLEL_STEPS;

export const stackOutputs = (resources: readonly ResourceState[]): PropertyMap =>
  resources.find((state) => state.type === STACK_TYPE && !state.delete)?.outputs ?? {};

async function load({ files, secrets }: Pick<Operation, "files" | "secrets">) {
  const sealed = await files.read();
  const manager = await secrets(sealed?.salt);
  if (!sealed) return { stored: { resources: [], pending: [], metadata: {} }, manager, exists: false };
  try {
    return { stored: openCheckpoint(sealed, manager), manager, exists: true };
  } catch (error) {
    throw await files.damaged(error);
  }
}

/** Runs what changes the state: under the lock, with every write durable, and a copy kept at the end. */
async function change(
  kind: HistoryEntry["kind"],
  operation: Operation,
  work: (operation: Operation, snapshot: Snapshot) => Promise<boolean>,
): Promise<OperationResult> {
  const { files } = operation;
  const tally = new Tally(operation.emit);
  const lock = await takeLock(files.lockDirectory, files.stack);
  try {
    for (const holder of lock.takenOver) {
      const message = `took over the lock of ${describeHolder(holder)}: that process is gone`;
      tally.emit({ kind: "diagnostic", severity: "warning", urn: "", message });
    }
    const { stored, manager, exists } = await load(operation);
    if (!exists && kind !== "update") throw noStack(files);
    let wrote = false;
    const snapshot = new Snapshot(stored, async (deployment: StoredDeployment) => {
      wrote = true;
      await files.write(formatCheckpoint(files.fullName, deployment, manager, new Date()));
    });
    const succeeded = await work({ ...operation, emit: tally.emit }, snapshot);
    if (snapshot.changed || !exists) await snapshot.write();
    const result = tally.result(snapshot, succeeded, wrote);
    if (wrote) {
      await files.finish({
        kind,
        startTime: tally.started,
        endTime: new Date(),
        result: succeeded ? "succeeded" : "failed",
        resourceChanges: result.counts,
      });
    }
    return result;
  } finally {
    await lock.release();
  }
}

function deploymentOf(operation: Operation, snapshot: Snapshot, isPreview: boolean): Deployment {
  const { files, providers, emit } = operation;
  return new Deployment({
    project: files.project,
    stack: files.stack,
    preview: isPreview,
    parallel: parallelOf(operation),
    snapshot,
    providers,
    hooks: new HookTable(isPreview, emit),
    emit,
  });
}

async function deploy(
  operation: Operation,
  snapshot: Snapshot,
  { preview: isPreview, program }: { preview: boolean; program: Program },
): Promise<boolean> {
  const [{ Monitor }, { runProgram }] = await Promise.all([import("./monitor.ts"), import("./program.ts")]);
  const deployment = deploymentOf(operation, snapshot, isPreview);
  const { project, stack } = operation.files;
  const run = { ...program, project, stack, organization: ORGANIZATION, preview: isPreview };
  await withCancel(operation, deployment, async () => {
    await runProgram(new Monitor(deployment), run, operation.emit);
  });
  deployment.hooks.close();
  return !deployment.runner.stopped;
}

async function withCancel(
  operation: Operation,
  deployment: Deployment,
  work: () => Promise<void>,
): Promise<void> {
  const { signal, emit } = operation;
  const cancel = () => {
    emit({
      kind: "diagnostic",
      severity: "warning",
      urn: "",
      message: "cancelled: the steps in progress finish, nothing more is begun",
    });
    void deployment.cancel();
  };
  if (signal?.aborted) cancel();
  signal?.addEventListener("abort", cancel, { once: true });
  try {
    await work();
  } finally {
    signal?.removeEventListener("abort", cancel);
  }
}

/** Counts what the events tell. */
class Tally {
  readonly started = new Date();
  readonly emit: EmitEvent;
  readonly #began = performance.now();
  readonly #counts: Partial<Record<StepOp, number>> = {};
  #failed = false;

  constructor(emit: EmitEvent) {
    this.emit = (event) => {
      this.#count(event);
      emit(event);
    };
  }

  #count(event: EngineEvent): void {
    if (event.kind === "step-failed") this.#failed = true;
    if (event.kind === "diagnostic" && event.severity === "error") this.#failed = true;
    if (event.kind !== "step-done") return;
    const { op } = event.step;
    this.#counts[op] = (this.#counts[op] ?? 0) + 1;
  }

  result(snapshot: Snapshot, succeeded = true, wrote = false): OperationResult {
    return {
      succeeded: succeeded && !this.#failed,
      counts: { ...this.#counts },
      seconds: (performance.now() - this.#began) / 1000,
      outputs: stackOutputs(snapshot.deployment().resources),
      changed: Object.keys(this.#counts).some((op) => !QUIET.includes(op as StepOp)),
      stateChanged: wrote || snapshot.changed,
    };
  }
}
