/**
 * A stack of this package in the embedded engine, inside the test's process: programs are functions, and the providers are
 * whatever a test gives. For plugins the embedded engine does not run, doubles.
 */
import "../../components/engine/lazy/sdk.ts";

import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { TestContext } from "node:test";
import * as pulumi from "@pulumi/pulumi";
import type { EngineEvent } from "../../components/engine/events.ts";
import {
  destroy,
  type Operation,
  type OperationResult,
  outputs,
  preview,
  refresh,
  up,
} from "../../components/engine/operations.ts";
import type { ProviderFactory } from "../../components/engine/provider.ts";
import { SecretsManager } from "../../components/engine/state/passphrase.ts";
import { StackFiles } from "../../components/engine/state/stack-files.ts";
import { plainMap } from "../../components/engine/wire.ts";

const PASSPHRASE = "correct horse battery staple";

export interface StackUnderTest {
  /** For whatever a test keeps; removed after it. */
  readonly directory: string;
  readonly checkpoint: string;
  up(program: () => unknown): Promise<OperationResult>;
  preview(program: () => unknown): Promise<OperationResult>;
  refresh(): Promise<OperationResult>;
  destroy(): Promise<OperationResult>;
  outputs(): Promise<Record<string, unknown>>;
  /** "create DnsRecord mail-…" of the last operation, without what stayed the same. */
  steps(): string[];
  /** Errors, warnings and words of the last operation. */
  said(): string;
  /** Resources in the state, by type and name. */
  resources(): Promise<string[]>;
}

export function stackUnderTest(
  test: TestContext,
  providers: Readonly<Record<string, ProviderFactory>>,
  config: Readonly<Record<string, string>> = {},
): StackUnderTest {
  const directory = mkdtempSync(join(tmpdir(), "mailkeep-stack-"));
  test.after(() => rmSync(directory, { recursive: true, force: true, maxRetries: 5 }));
  const files = new StackFiles(join(directory, "backend"), "mailkeep", "test");
  const events: EngineEvent[] = [];
  const operation: Operation = {
    files,
    secrets: (salt) =>
      salt === undefined
        ? SecretsManager.create(PASSPHRASE)
        : SecretsManager.open(PASSPHRASE, salt, "the test stack"),
    providers,
    emit: (event) => void events.push(event),
  };
  const begin = async (run: () => Promise<OperationResult>) => {
    events.length = 0;
    // The test runner fails a test for rejections nobody awaits; here they are the engine's to deal with.
    const listeners = process.listeners("unhandledRejection");
    process.removeAllListeners("unhandledRejection");
    try {
      return await run();
    } finally {
      // A program that was stopped leaves the server of its hooks behind, which would keep the test's process alive.
      pulumi.runtime.getCallbacks()?.shutdown();
      for (const listener of listeners) process.on("unhandledRejection", listener);
    }
  };
  const programOf = (body: () => unknown) => ({
    directory,
    config: { ...config },
    secretKeys: Object.keys(config),
    load: async () => body(),
  });
  return {
    directory,
    checkpoint: files.checkpoint,
    up: (body) => begin(() => up(operation, programOf(body))),
    preview: (body) => begin(() => preview(operation, programOf(body))),
    refresh: () => begin(() => refresh(operation)),
    destroy: () => begin(() => destroy(operation)),
    outputs: async () => plainMap(await outputs(operation)),
    steps: () =>
      events.flatMap((event) =>
        event.kind === "step-done" && event.step.op !== "same"
          ? [`${event.step.op} ${event.step.type.split(":").at(-1)} ${event.step.name}`]
          : [],
      ),
    said: () => events.flatMap((event) => ("message" in event ? [event.message] : [])).join("\n"),
    resources: async () => {
      const { checkpoint } = JSON.parse(readFileSync(files.checkpoint, "utf8")) as {
        checkpoint: { latest: { resources?: { type: string; urn: string }[] } };
      };
      return (checkpoint.latest.resources ?? []).map(
        ({ type, urn }) => `${type.split(":").at(-1)} ${urn.split("::").at(-1)}`,
      );
    },
  };
}
