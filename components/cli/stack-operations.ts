/**
 * The operations on a stack as functions, for the commands and for whatever combines them: opens the stack, chooses
 * who runs it, shows what happens and gives the result. `runUp` is what `mailkeep up --yes` does.
 */
import "../engine/lazy/sdk.ts";

import { pathToFileURL } from "node:url";
import { Workspace } from "../engine/config/workspace.ts";
import type { EmitEvent, Severity } from "../engine/events.ts";
import type { Operation, OperationResult, Program } from "../engine/operations.ts";
import { checkConfigRules } from "./config-rules.ts";
import type { Display } from "./display/display.ts";
import { providerFactories } from "./providers.ts";
import { scrub, secretTexts } from "./scrub.ts";
import { assertStateSurvives, targetOf } from "./target.ts";

export type UpResult = OperationResult;

export interface StackRequest {
  stack: string;
  /** Where to look for the project; the current directory when absent. */
  directory?: string;
  /** Shows what happens; nothing is shown without one. */
  display?: Display;
  /** Lets the steps in progress finish and begins no more. */
  signal?: AbortSignal;
}

/** A stack whose configuration has been read and found in order. */
export interface OpenStack {
  workspace: Workspace;
  /** `local`, `docker` or `ssh`. */
  target: string;
  program: Program;
}

let runs = 0;

/** Reads a stack's project and configuration. Throws an `EngineError` saying what is wrong and where. */
export async function openStack({
  stack,
  directory,
}: Pick<StackRequest, "stack" | "directory">): Promise<OpenStack> {
  const workspace = new Workspace({ stack, ...(directory !== undefined && { directory }) });
  const { project } = workspace;
  checkConfigRules(project, stack, workspace.raw());
  const { config, secretKeys } = await workspace.config();
  const target = targetOf(config["mailkeep:mail"]);
  const inCI = Boolean(process.env.CI);
  assertStateSurvives({ target, stack, backend: workspace.files.backend, checkout: project.directory, inCI });
  const load = async () => {
    // A program is evaluated anew in each run; the query makes it another module for the loader.
    runs += 1;
    const program = (await import(`${pathToFileURL(project.main).href}?run=${runs}`)) as {
      default?: unknown;
    };
    if (typeof program.default === "function") return program.default();
    return { ...program };
  };
  return { workspace, target, program: { directory: project.directory, config, secretKeys, load } };
}

/** Says what `up` would do. */
export async function runPreview(request: StackRequest): Promise<OperationResult> {
  return perform(request, (engine, operation, { program }) => engine.preview(operation, program));
}

/** Makes reality what the program says, without asking. */
export async function runUp(request: StackRequest): Promise<UpResult> {
  return perform(request, (engine, operation, { program }) => engine.up(operation, program));
}

/** Makes the state what reality says. */
export async function runRefresh(request: StackRequest): Promise<OperationResult> {
  return perform(request, (engine, operation) => engine.refresh(operation));
}

/** Deletes everything the stack holds, except what it says to keep, without asking. */
export async function runDestroy(request: StackRequest): Promise<OperationResult> {
  return perform(request, (engine, operation) => engine.destroy(operation));
}

/** Says what `destroy` would do. */
export async function runDestroyPreview(request: StackRequest): Promise<OperationResult> {
  return perform(request, (engine, operation) => engine.previewDestroy(operation));
}

/** The stack's outputs in wire form, secrets marked. */
export async function readOutputs({ stack, directory }: StackRequest): Promise<Record<string, unknown>> {
  const workspace = new Workspace({ stack, ...(directory !== undefined && { directory }) });
  const engine = await import("../engine/operations.ts");
  return engine.outputs({ files: workspace.files, secrets: (salt) => workspace.secrets(salt) });
}

/** Begins to derive the key of a stack's state, on another thread, while the rest is loaded. */
function warmUp({ stack, directory }: StackRequest): void {
  const begin = async () => {
    const workspace = new Workspace({ stack, ...(directory !== undefined && { directory }) });
    const sealed = await workspace.files.read();
    if (sealed?.salt !== undefined) await workspace.secrets(sealed.salt);
  };
  // Whatever is wrong is found again, and told, where the state is needed.
  begin().catch(() => {});
}

type Engine = typeof import("../engine/operations.ts");

async function perform(
  request: StackRequest,
  work: (engine: Engine, operation: Operation, opened: OpenStack) => Promise<OperationResult>,
): Promise<OperationResult> {
  // The SDK takes longest to load: it comes in while the configuration is read and the key is derived.
  let secrets: string[] = [];
  const emit: EmitEvent = (event) =>
    request.display?.emit("message" in event ? { ...event, message: scrub(event.message, secrets) } : event);
  const saying = (severity: Severity) => (urn: string, message: string) =>
    emit({ kind: "diagnostic", severity, urn, message });
  const loading = Promise.all([
    import("../engine/operations.ts"),
    providerFactories(saying("warning"), saying("info")),
    import("../engine/program.ts"),
  ]);
  loading.catch(() => {});
  warmUp(request);
  const opened = await openStack(request);
  const [engine, providers] = await loading;
  const { workspace, program } = opened;
  secrets = secretTexts(program.config, program.secretKeys);
  const operation: Operation = {
    files: workspace.files,
    secrets: async (salt) => {
      const manager = await workspace.secrets(salt);
      await workspace.writeLocalFiles(manager);
      return manager;
    },
    providers,
    emit,
    ...(request.signal && { signal: request.signal }),
  };
  const result = await work(engine, operation, opened);
  request.display?.end(result);
  return result;
}
