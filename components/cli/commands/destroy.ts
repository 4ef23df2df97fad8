import type { Command } from "../command.ts";
import {
  diffOption,
  engineOption,
  jsonOption,
  stackNamed,
  stackOption,
  yesOption,
} from "../stack-options.ts";

export const destroy: Command = {
  name: "destroy",
  summary: "take the stack down; mail, keys and what else must not be lost stays where it is",
  options: { ...stackOption, ...yesOption, ...diffOption, ...jsonOption, ...engineOption },
  async run({ options }) {
    const { confirm, delegated, displayFor, EXIT, interruptible } = await import("../stack-command.ts");
    const code = await delegated(options, ["destroy"]);
    if (code !== undefined) return code;
    const { runDestroy, runDestroyPreview } = await import("../stack-operations.ts");
    const stack = stackNamed(options);
    if (!options.yes) {
      const planned = await runDestroyPreview({ stack, display: displayFor("destroy-preview", options) });
      if (!planned.succeeded) return EXIT.failed;
      if (!planned.changed) return EXIT.done;
      if (!(await confirm(`Destroy stack '${stack}'?`))) return EXIT.failed;
    }
    const { keptData } = await import("../local/deployed-stack.ts");
    const kept = await keptData(stack);
    const result = await interruptible((signal) =>
      runDestroy({ stack, signal, display: displayFor("destroy", options) }),
    );
    if (result.succeeded && kept && !options.json)
      process.stdout.write(`Mail, keys and configuration stay in ${kept}; 'mailkeep up' finds them again.\n`);
    return result.succeeded ? EXIT.done : EXIT.failed;
  },
};
