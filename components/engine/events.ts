/**
 * What an operation tells while it runs. One stream feeds the tree on a terminal, the plain lines and `--json`;
 * values keep their secret marks here, and whoever shows one redacts it.
 */
import type { PropertyChange } from "./diff.ts";
import type { ResourceState } from "./resource-state.ts";

/** What happens to one resource, in the words of the person who asked for it. */
export type StepOp =
  | "same"
  | "create"
  | "update"
  | "replace"
  | "delete"
  | "delete-replaced"
  | "read"
  | "import"
  | "refresh"
  | "forget";

export interface StepView {
  op: StepOp;
  urn: string;
  type: string;
  name: string;
  parent: string;
  custom: boolean;
  old?: ResourceState;
  next?: ResourceState;
  changes: PropertyChange[];
  /** Paths that make a replacement necessary. */
  replaceKeys: string[];
}

export type Severity = "info" | "warning" | "error";

export type EngineEvent =
  | { kind: "step-started"; step: StepView }
  | { kind: "step-done"; step: StepView; seconds: number }
  | { kind: "step-failed"; step: StepView; seconds: number; message: string }
  | { kind: "outputs"; urn: string; outputs: Record<string, unknown> }
  | { kind: "diagnostic"; severity: Severity; urn: string; message: string };

export type EmitEvent = (event: EngineEvent) => void;
