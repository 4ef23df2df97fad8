/** A stack in a temporary directory, for tests: the embedded engine, real files, and programs given as functions. */
import "../lazy/sdk.ts";

import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { TestContext } from "node:test";
import * as pulumi from "@pulumi/pulumi";
import type { EngineEvent } from "../events.ts";
import {
  destroy,
  type Operation,
  type OperationResult,
  type Program,
  preview,
  refresh,
  up,
} from "../operations.ts";
import type { ProviderFactory } from "../provider.ts";
import { SecretsManager } from "../state/passphrase.ts";
import { StackFiles } from "../state/stack-files.ts";
import { type FileProviderOptions, fileProvider } from "./file-provider.ts";

/** A custom resource of the test provider. */
export class File extends pulumi.CustomResource {
  declare readonly path: pulumi.Output<string>;
  declare readonly content: pulumi.Output<string>;
  declare readonly upper: pulumi.Output<string>;
  declare readonly digest: pulumi.Output<string>;

  constructor(
    name: string,
    args: { path: pulumi.Input<string>; content: pulumi.Input<string>; label?: pulumi.Input<string> },
    options?: pulumi.CustomResourceOptions,
  ) {
    super("files:index:File", name, { upper: undefined, digest: undefined, ...args }, options);
  }
}

/** The test provider as an explicit resource. */
export class FileProvider extends pulumi.ProviderResource {
  constructor(name: string, args: { directory: pulumi.Input<string> }, options?: pulumi.ResourceOptions) {
    super("files", name, args, options);
  }
}

export interface TestStack {
  /** Where the files are made. */
  root: string;
  files: StackFiles;
  calls: string[];
  events: EngineEvent[];
  operation: Operation;
  up(program: () => unknown): Promise<OperationResult>;
  preview(program: () => unknown): Promise<OperationResult>;
  refresh(): Promise<OperationResult>;
  destroy(): Promise<OperationResult>;
  /** What happened to each resource in the last operation, as "create a", in the order it ended. */
  steps(): string[];
  /** The error texts of the last operation. */
  errors(): string[];
  /** The resources in the state file, as they are written. */
  resources(): Record<string, unknown>[];
  content(path: string): string | undefined;
}

/** The passphrase of test stacks. */
export const PASSPHRASE = "correct horse battery staple";

export function testStack(
  test: Pick<TestContext, "after">,
  options: Partial<FileProviderOptions> & {
    config?: Record<string, string>;
    /** Further providers, by package. */
    providers?: Record<string, ProviderFactory>;
  } = {},
): TestStack {
  const base = mkdtempSync(join(tmpdir(), "mailkeep-engine-"));
  test.after(() => rmSync(base, { recursive: true, force: true }));
  const root = join(base, "root");
  const files = new StackFiles(join(base, "backend"), "project", "test");
  const calls: string[] = [];
  const events: EngineEvent[] = [];
  const operation: Operation = {
    files,
    secrets: (salt) =>
      salt === undefined
        ? SecretsManager.create(PASSPHRASE)
        : SecretsManager.open(PASSPHRASE, salt, "the test stack"),
    providers: { files: () => fileProvider({ directory: root, calls, ...options }), ...options.providers },
    emit: (event) => void events.push(event),
  };
  const begin = async (run: () => Promise<OperationResult>) => {
    events.length = 0;
    calls.length = 0;
    // The test runner fails a test for rejections nobody awaits; here they are the engine's to deal with.
    const listeners = process.listeners("unhandledRejection");
    process.removeAllListeners("unhandledRejection");
    try {
      return await run();
    } finally {
      for (const listener of listeners) process.on("unhandledRejection", listener);
    }
  };
  const programOf = (body: () => unknown): Program => ({
    directory: base,
    config: options.config ?? {},
    secretKeys: [],
    load: async () => body(),
  });
  return {
    root,
    files,
    calls,
    events,
    operation,
    up: (body) => begin(() => up(operation, programOf(body))),
    preview: (body) => begin(() => preview(operation, programOf(body))),
    refresh: () => begin(() => refresh(operation)),
    destroy: () => begin(() => destroy(operation)),
    steps: () =>
      events.flatMap((event) =>
        event.kind === "step-done" && event.step.type === "files:index:File"
          ? [`${event.step.op} ${event.step.name}`]
          : [],
      ),
    errors: () =>
      events.flatMap((event) =>
        event.kind === "step-failed" || (event.kind === "diagnostic" && event.severity === "error")
          ? [event.message]
          : [],
      ),
    resources: () => JSON.parse(readFileSync(files.checkpoint, "utf8")).checkpoint.latest.resources ?? [],
    content: (path) => {
      try {
        return readFileSync(join(root, path), "utf8");
      } catch {
        return undefined;
      }
    },
  };
}
