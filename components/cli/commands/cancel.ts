import { rm } from "node:fs/promises";
import { hostname } from "node:os";
import type { Command } from "../command.ts";
import { stackNamed, stackOption, yesOption } from "../stack-options.ts";

export const cancel: Command = {
  name: "cancel",
  summary: "end the operation that holds the stack, or remove the lock it left",
  details:
    "An operation of this host that still runs is asked to finish what is in progress and to begin no more. " +
    "A lock of another host is removed after asking: make sure that nothing runs there any more.",
  options: { ...stackOption, ...yesOption },
  async run({ options }) {
    const [{ Workspace }, { describeHolder, findLocks, holderState }, { confirm }] = await Promise.all([
      import("../../engine/config/workspace.ts"),
      import("../../engine/state/lock.ts"),
      import("../stack-command.ts"),
    ]);
    const stack = stackNamed(options);
    const { files } = new Workspace({ stack });
    const locks = await findLocks(files.lockDirectory);
    if (locks.length === 0) process.stdout.write(`Nothing holds stack '${stack}'.\n`);
    for (const { path, holder } of locks) {
      const state = holder ? await holderState(holder) : "elsewhere";
      if (holder && state === "alive") {
        process.kill(holder.pid, "SIGINT");
        process.stdout.write(`Asked ${describeHolder(holder)} to stop; it finishes the steps in progress.\n`);
        continue;
      }
      const who = holder ? describeHolder(holder) : `whoever wrote ${path}`;
      const question = `Remove the lock of ${who}? ${holder?.hostname === hostname() ? "" : "Make sure that it no longer runs."}`;
      if (state === "elsewhere" && !options.yes && !(await confirm(question))) return 1;
      await rm(path, { force: true });
      process.stdout.write(`Removed the lock of ${who}.\n`);
    }
    return 0;
  },
};
