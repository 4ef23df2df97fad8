/**
 * How an operation is shown: a tree that lives while it runs, plain lines where nobody watches, or JSON for
 * programs. Every display redacts: no secret reaches a terminal, a log or a pipe.
 */
import type { EmitEvent } from "../../engine/events.ts";
import type { OperationResult } from "../../engine/operations.ts";
import { jsonDisplay } from "./json.ts";
import { linesDisplay } from "./lines.ts";
import { treeDisplay } from "./tree.ts";

/** What is being done, for the words of the summary. */
export type OperationKind = "preview" | "up" | "refresh" | "destroy" | "destroy-preview";

export interface Display {
  emit: EmitEvent;
  /** Shows the summary. */
  end(result: OperationResult): void;
}

export interface DisplayOptions {
  kind: OperationKind;
  stack: string;
  /** Every change property by property. */
  diff: boolean;
  out: DisplayStream;
}

/** Where to write; columns and rows are known on a terminal. */
export interface DisplayStream {
  write(text: string): unknown;
  isTTY?: boolean;
  columns?: number;
  rows?: number;
}

/** The display that fits: JSON when asked for, a tree on a terminal, lines elsewhere. */
export function chooseDisplay(options: DisplayOptions, json: boolean): Display {
  if (json) return jsonDisplay(options);
  return options.out.isTTY ? treeDisplay(options) : linesDisplay(options);
}
