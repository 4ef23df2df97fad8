/** For programs: one JSON object a line, values redacted. */
import type { Display, DisplayOptions } from "./display.ts";
import { changesOf, marked, sidesOf } from "./words.ts";

export function jsonDisplay({ kind, stack, out }: DisplayOptions): Display {
  const write = (value: unknown) => out.write(`${JSON.stringify(value)}\n`);
  return {
    emit(event) {
      if (event.kind === "diagnostic") {
        const { severity, urn, message } = event;
        write({ event: "diagnostic", severity, ...(urn && { urn }), message });
      } else if (event.kind !== "outputs" && event.kind !== "step-started") {
        const { op, urn, type, name } = event.step;
        const failure = event.kind === "step-failed" ? { error: event.message } : {};
        const changes = changesOf(event.step).map((change) => ({
          path: change.path,
          kind: change.kind,
          ...sidesOf(change),
          ...(change.replaces && { replaces: true }),
        }));
        write({
          event: "step",
          op,
          urn,
          type,
          name,
          seconds: round(event.seconds),
          ...failure,
          ...(changes.length > 0 && op !== "same" && { changes }),
        });
      }
    },
    end({ succeeded, changed, counts, seconds, outputs }) {
      write({
        event: "summary",
        operation: kind,
        stack,
        succeeded,
        changed,
        counts,
        seconds: round(seconds),
        outputs: marked(outputs),
      });
    },
  };
}

const round = (seconds: number): number => Math.round(seconds * 1000) / 1000;
