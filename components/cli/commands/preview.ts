import type { Command } from "../command.ts";
import { diffOption, engineOption, jsonOption, stackNamed, stackOption } from "../stack-options.ts";

export const preview: Command = {
  name: "preview",
  summary: "say what 'up' would do, and change nothing",
  options: {
    ...stackOption,
    ...diffOption,
    ...jsonOption,
    "expect-no-changes": { summary: "exit with 2 when there is something to do" },
    ...engineOption,
  },
  async run({ options }) {
    const { delegated, displayFor, EXIT } = await import("../stack-command.ts");
    const code = await delegated(options, ["preview"]);
    if (code !== undefined) return code;
    const { runPreview } = await import("../stack-operations.ts");
    const result = await runPreview({ stack: stackNamed(options), display: displayFor("preview", options) });
    if (!result.succeeded) return EXIT.failed;
    return result.changed && options["expect-no-changes"] ? EXIT.pending : EXIT.done;
  },
};
