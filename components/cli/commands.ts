/** The commands of `mailkeep`, in the order help shows them: one file each in `commands/`. */
import type { Command } from "./command.ts";
import { cancel } from "./commands/cancel.ts";
import { config } from "./commands/config.ts";
import { destroy } from "./commands/destroy.ts";
import { dkim } from "./commands/dkim.ts";
import { dns } from "./commands/dns.ts";
import { explain } from "./commands/explain.ts";
import { help } from "./commands/help.ts";
import { learn } from "./commands/learn.ts";
import { logs } from "./commands/logs.ts";
import { mailbox } from "./commands/mailbox.ts";
import { outputs } from "./commands/outputs.ts";
import { preview } from "./commands/preview.ts";
import { probe } from "./commands/probe.ts";
import { quarantine } from "./commands/quarantine.ts";
import { queue } from "./commands/queue.ts";
import { refresh } from "./commands/refresh.ts";
import { reports } from "./commands/reports.ts";
import { stacks } from "./commands/stacks.ts";
import { start } from "./commands/start.ts";
import { stop } from "./commands/stop.ts";
import { tls } from "./commands/tls.ts";
import { trace } from "./commands/trace.ts";
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
  start,
  stop,
  logs,
  probe,
  explain,
  trace,
  queue,
  quarantine,
  learn,
  reports,
  dns,
  tls,
  dkim,
  mailbox,
  help,
  version,
];
