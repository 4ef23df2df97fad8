import type { Command } from "../command.ts";
import {
  diffOption,
  engineOption,
  jsonOption,
  stackNamed,
  stackOption,
  yesOption,
} from "../stack-options.ts";

export const up: Command = {
  name: "up",
  summary: "make the mail server what the stack declares",
  details:
    "Shows what would be done and asks first, unless --yes is given. Whatever interrupts it, the next 'up' finishes the work.",
  options: { ...stackOption, ...yesOption, ...diffOption, ...jsonOption, ...engineOption },
  async run({ options }) {
    const { confirm, delegated, displayFor, EXIT, interruptible } = await import("../stack-command.ts");
    const code = await delegated(options, ["up"]);
    if (code !== undefined) return code;
    const { runPreview, runUp } = await import("../stack-operations.ts");
    const stack = stackNamed(options);
    if (!options.yes) {
      const planned = await runPreview({ stack, display: displayFor("preview", options) });
      if (!planned.succeeded) return EXIT.failed;
      if (!planned.changed && !planned.stateChanged) return EXIT.done;
      if (planned.changed && !(await confirm(`Do this on stack '${stack}'?`))) return EXIT.failed;
    }
    const result = await interruptible((signal) =>
      runUp({ stack, signal, display: displayFor("up", options) }),
    );
    return result.succeeded ? EXIT.done : EXIT.failed;
  },
};
