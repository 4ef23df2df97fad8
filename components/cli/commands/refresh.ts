import type { Command } from "../command.ts";
import { diffOption, engineOption, jsonOption, stackNamed, stackOption } from "../stack-options.ts";

export const refresh: Command = {
  name: "refresh",
  summary: "read what is really there into the state, and change nothing else",
  details: "What was changed or removed behind the stack's back is shown; the next 'up' puts it back.",
  options: { ...stackOption, ...diffOption, ...jsonOption, ...engineOption },
  async run({ options }) {
    const { delegated, displayFor, EXIT, interruptible } = await import("../stack-command.ts");
    const code = await delegated(options, ["refresh", "--yes"]);
    if (code !== undefined) return code;
    const { runRefresh } = await import("../stack-operations.ts");
    const stack = stackNamed(options);
    const result = await interruptible((signal) =>
      runRefresh({ stack, signal, display: displayFor("refresh", options) }),
    );
    return result.succeeded ? EXIT.done : EXIT.failed;
  },
};
