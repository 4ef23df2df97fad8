/**
 * For a terminal: the stack as a tree, each resource below its parent, redrawn while steps run. Unchanged resources
 * are counted and not drawn; a tree taller than the screen shows what is in progress until it is done.
 */
import type { StepView } from "../../engine/events.ts";
import { STACK_TYPE } from "../../engine/urn.ts";
import type { Display, DisplayOptions } from "./display.ts";
import {
  changesOf,
  duration,
  isPreview,
  shortType,
  showChange,
  showValue,
  summary,
  wordsFor,
} from "./words.ts";

interface Row {
  step: StepView;
  state: "running" | "done" | "failed";
  began: number;
  seconds: number;
  message?: string;
}

const REDRAW_MS = 80;
const COLOURS = {
  create: 32,
  update: 33,
  replace: 35,
  delete: 31,
  "delete-replaced": 31,
  forget: 31,
  import: 36,
  read: 36,
} as const;

export function treeDisplay({ kind, diff, out }: DisplayOptions): Display {
  const rows = new Map<string, Row>();
  const notes: string[] = [];
  let drawn = 0;
  let timer: NodeJS.Timeout | undefined;

  const paint = (text: string, colour: number | undefined) =>
    colour === undefined ? text : `\x1b[${colour}m${text}\x1b[0m`;
  const cut = (line: string) => {
    const width = (out.columns ?? 100) - 1;
    return line.length > width ? `${line.slice(0, width - 1)}…` : line;
  };

  const line = (row: Row, depth: number): string => {
    const { step } = row;
    const words = wordsFor(kind, step.op);
    const timed = !isPreview(kind) && step.op !== "same";
    const done = timed ? `${words.done} (${duration(row.seconds)})` : words.planned || words.done;
    const running = `${words.running}… ${duration((performance.now() - row.began) / 1000)}`;
    const state =
      row.state === "running" ? running : row.state === "failed" ? `failed: ${row.message}` : done;
    const text = cut(`${words.mark} ${"  ".repeat(depth)}${shortType(step.type)} ${step.name}  ${state}`);
    return paint(text, row.state === "failed" ? 31 : COLOURS[step.op as keyof typeof COLOURS]);
  };

  /** Every row that says something, below its parents. */
  const lines = (final: boolean): string[] => {
    const children = new Map<string, string[]>();
    for (const { step } of rows.values())
      children.set(step.parent, [...(children.get(step.parent) ?? []), step.urn]);
    const speaks = new Map<string, boolean>();
    const says = (urn: string): boolean => {
      const known = speaks.get(urn);
      if (known !== undefined) return known;
      const row = rows.get(urn);
      const itself =
        row !== undefined &&
        row.step.type !== STACK_TYPE &&
        (row.step.op !== "same" || row.state === "failed");
      const answer = itself || (children.get(urn) ?? []).some(says);
      speaks.set(urn, answer);
      return answer;
    };
    const found: string[] = [];
    const visit = (urn: string, depth: number) => {
      const row = rows.get(urn);
      if (!row || !says(urn)) return;
      const isStack = row.step.type === STACK_TYPE;
      if (!isStack) {
        found.push(line(row, depth));
        const detailed = final && (diff || row.step.op === "update" || row.step.op === "replace");
        if (detailed)
          for (const change of changesOf(row.step))
            found.push(cut(`  ${"  ".repeat(depth + 2)}${showChange(change)}`));
      }
      for (const child of children.get(urn) ?? []) visit(child, isStack ? depth : depth + 1);
    };
    for (const { step } of rows.values()) if (!rows.has(step.parent)) visit(step.urn, 0);
    return found;
  };

  const erase = () => {
    if (drawn > 0) out.write(`\x1b[${drawn}A\x1b[J`);
    drawn = 0;
  };

  const draw = () => {
    erase();
    for (const note of notes.splice(0)) out.write(`${note}\n`);
    const room = (out.rows ?? 40) - 2;
    const all = lines(false);
    const running = [...rows.values()].filter((row) => row.state === "running").map((row) => line(row, 0));
    const shown = all.length <= room ? all : running.slice(0, room);
    const finished = [...rows.values()].filter((row) => row.state !== "running").length;
    const progress = [...shown, `${finished} of ${rows.size} resources`];
    out.write(`${progress.join("\n")}\n`);
    drawn = progress.length;
  };

  const schedule = () => {
    timer ??= setTimeout(() => {
      timer = undefined;
      draw();
    }, REDRAW_MS);
  };

  return {
    emit(event) {
      if (event.kind === "outputs") return;
      if (event.kind === "diagnostic") {
        const colour = { error: 31, warning: 33, info: undefined }[event.severity];
        notes.push(
          `${paint(`${event.severity}:`, colour)} ${event.urn ? `${event.urn}: ` : ""}${event.message}`,
        );
      } else {
        const { step } = event;
        const before = rows.get(step.urn);
        const began = before?.state === "running" ? before.began : performance.now();
        // The deletion of a replaced object ends the row of its successor, it does not hide it.
        const shown = step.op === "delete-replaced" && before?.step.op === "replace" ? before.step : step;
        if (event.kind === "step-started")
          rows.set(step.urn, { step: shown, state: "running", began, seconds: 0 });
        else if (event.kind === "step-done")
          rows.set(step.urn, { step: shown, state: "done", began, seconds: event.seconds });
        else
          rows.set(step.urn, {
            step,
            state: "failed",
            began,
            seconds: event.seconds,
            message: event.message,
          });
      }
      schedule();
    },
    end(result) {
      clearTimeout(timer);
      erase();
      for (const note of notes.splice(0)) out.write(`${note}\n`);
      for (const text of lines(true)) out.write(`${text}\n`);
      for (const { state, step, message } of rows.values()) {
        if (state === "failed") out.write(`${paint("error:", 31)} ${step.urn}: ${message}\n`);
      }
      const outputs = Object.entries(result.outputs);
      if (result.succeeded && result.changed && outputs.length > 0 && !isPreview(kind)) {
        out.write("Outputs:\n");
        for (const [name, value] of outputs) out.write(`    ${name}: ${showValue(value)}\n`);
      }
      out.write(`${summary(kind, result)}\n`);
    },
  };
}
