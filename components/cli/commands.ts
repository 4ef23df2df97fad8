/** The commands of `mailkeep`, in the order help shows them: one file each in `commands/`. */
import type { Command } from "./command.ts";
import { cancel } from "./commands/cancel.ts";
import { config } from "./commands/config.ts";
import { destroy } from "./commands/destroy.ts";
import { help } from "./commands/help.ts";
import { outputs } from "./commands/outputs.ts";
import { preview } from "./commands/preview.ts";
import { refresh } from "./commands/refresh.ts";
import { stacks } from "./commands/stacks.ts";
import { up } from "./commands/up.ts";
import { version } from "./commands/version.ts";

export const commands: readonly Command[] = [
  preview,
  up,
  refresh,
  destroy,
  outputs,
  config,
  stacks,
  cancel,
  help,
  version,
];
