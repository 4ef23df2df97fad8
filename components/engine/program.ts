/**
 * Runs the Pulumi program in this process against a monitor (reference: sdk/nodejs/cmd/run). The program is loaded
 * anew for each run; what it prints becomes diagnostics, so that nothing disturbs the tree or `--json`.
 */
import "./lazy/sdk.ts";

import { format } from "node:util";
import * as pulumi from "@pulumi/pulumi";
import { textOf } from "./errors.ts";
import type { EmitEvent, Severity } from "./events.ts";
import type { Monitor } from "./monitor.ts";

export interface ProgramRun {
  project: string;
  stack: string;
  organization: string;
  preview: boolean;
  /** Every configuration value by its full key, objects as JSON. */
  config: Record<string, string>;
  secretKeys: string[];
  /** The directory of Pulumi.yaml; the program runs in it. */
  directory: string;
  /** Loads the program and gives its outputs. */
  load: () => Promise<unknown>;
}

/** gRPC's UNAVAILABLE: the engine stopped the program, and has told why. */
const UNAVAILABLE = 14;

/** How the SDK's log functions begin without an engine to send to. */
const LOG_LINE = /^(debug|info|warning|error): \[runtime\] /;

/** Runs the program to its end, and its deletions. Failures are counted by the monitor's deployment. */
export async function runProgram(monitor: Monitor, run: ProgramRun, emit: EmitEvent): Promise<void> {
  const seen = new Set<unknown>();
  const onError = (error: unknown) => {
    if (seen.has(error)) return;
    seen.add(error);
    const stopped = (error as { code?: number } | undefined)?.code === UNAVAILABLE;
    monitor.programFailed(error, stopped ? "" : describe(error));
  };
  const directory = process.cwd();
  const restoreConsole = captureConsole(emit, onError);
  process.on("unhandledRejection", onError);
  try {
    process.chdir(run.directory);
    pulumi.runtime.setMockOptions(monitor.client, run.project, run.stack, run.preview, run.organization);
    pulumi.runtime.setAllConfig(run.config, run.secretKeys);
    const ended = pulumi.runtime
      .runInPulumiStack(run.load as () => Promise<never>)
      .then(() => pulumi.runtime.disconnect(true));
    await Promise.race([ended.catch(onError), monitor.failed]);
    await monitor.idle();
    pulumi.runtime.disconnectSync();
    await new Promise((resolve) => setImmediate(resolve));
  } finally {
    process.off("unhandledRejection", onError);
    restoreConsole();
    process.chdir(directory);
  }
}

/** An error of the program: the SDK has errors for a person too, without a name of their own. */
function describe(error: unknown): string {
  if (pulumi.RunError.isInstance(error) || pulumi.ResourceError.isInstance(error)) return error.message;
  return textOf(error);
}

/** Turns what the program prints into diagnostics, until the returned function is called. */
function captureConsole(emit: EmitEvent, onError: (error: unknown) => void): () => void {
  const names = ["log", "info", "warn", "error", "debug"] as const;
  const originals = names.map((name) => console[name]);
  const print = (...values: unknown[]) => {
    const text = format(...values);
    const level = LOG_LINE.exec(text)?.[1];
    if (level === "debug") return;
    const message = text.replace(LOG_LINE, "");
    if (level === "error") onError(new pulumi.RunError(message));
    else emit({ kind: "diagnostic", severity: (level ?? "info") as Severity, urn: "", message });
  };
  for (const name of names) console[name] = print;
  return () => {
    names.forEach((name, index) => {
      console[name] = originals[index]!;
    });
  };
}
