import type { Command } from "../command.ts";
import { DEFAULT_STACK, jsonOption } from "../stack-options.ts";

export const stacks: Command = {
  name: "stacks",
  summary: "list the stacks of this project that have their state here",
  options: { ...jsonOption },
  async run({ options }) {
    const [{ Workspace }, { StackFiles }] = await Promise.all([
      import("../../engine/config/workspace.ts"),
      import("../../engine/state/stack-files.ts"),
    ]);
    const { files, project } = new Workspace({ stack: DEFAULT_STACK });
    const names = await StackFiles.list(files.backend, project.name);
    if (options.json) process.stdout.write(`${JSON.stringify(names)}\n`);
    else
      process.stdout.write(
        names.length > 0
          ? `${names.join("\n")}\n`
          : "No stack has its state here yet; 'mailkeep up' makes one.\n",
      );
    return 0;
  },
};
