/** For logs and pipes: one line a step when it ends, nothing that moves. */
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

export function linesDisplay({ kind, diff, out }: DisplayOptions): Display {
  const write = (text: string) => out.write(`${text}\n`);
  return {
    emit(event) {
      if (event.kind === "diagnostic") {
        write(`${event.severity}: ${event.urn ? `${event.urn}: ` : ""}${event.message}`);
      } else if (event.kind === "step-done" && event.step.op !== "same") {
        const { op, type, name } = event.step;
        const words = wordsFor(kind, op);
        const state = isPreview(kind) ? words.planned : `${words.done} (${duration(event.seconds)})`;
        write(`${words.mark} ${shortType(type)} ${name}: ${state}`);
        const changes = diff || op === "update" || op === "replace" ? changesOf(event.step) : [];
        for (const change of changes) write(`    ${showChange(change)}`);
      } else if (event.kind === "step-failed") {
        write(`error: ${shortType(event.step.type)} ${event.step.name}: ${event.message}`);
      }
    },
    end(result) {
      const outputs = Object.entries(result.outputs);
      if (result.succeeded && result.changed && outputs.length > 0 && !isPreview(kind)) {
        write("Outputs:");
        for (const [name, value] of outputs) write(`    ${name}: ${showValue(value)}`);
      }
      write(summary(kind, result));
    },
  };
}
