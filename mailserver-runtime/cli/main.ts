/**
 * The commands of a mail host: `admin` for programs, `queue`, `quarantine`, `learn`, `metrics`, `explain`, `trace`, `reports`, `tls` and `setup` for
 * people, the last with DMS's subcommands, messages and exit codes. Called as `setup`, it is that command.
 *
 *     main.ts [--root DIR] admin
 *     main.ts [--root DIR] explain <address | message file> [--from <sender>]
 *     main.ts [--root DIR] trace <message-id | queue id | sender | recipient>
 *     main.ts [--root DIR] reports [domain] [--days <number>]
 *     main.ts [--root DIR] tls status [name] ... | renew <name>
 *     main.ts [--root DIR] dkim status [domain] | rotate <domain>
 *     main.ts [--root DIR] queue <action> ...
 *     main.ts [--root DIR] quarantine <action> ...
 *     main.ts [--root DIR] learn spam|ham <file | folder | account:mailbox> ...
 *     main.ts [--root DIR] mailbox <stat | check | rebuild | undelete> <address> ...
 *     main.ts [--root DIR] metrics
 *     main.ts [--root DIR] health
 *     main.ts docs [topic]
 *     main.ts [--root DIR] setup <subcommand> ...
 *
 * Without --root the directories are docker-mailserver's volumes.
 */
import { readFileSync } from "node:fs";
import { basename, resolve } from "node:path";
import { directoriesBelow, dockerMailserverDirectories } from "../settings/directories.ts";
import { adminCommand } from "./admin.ts";
import { type CommandContext, CommandError } from "./command.ts";

type Command = (context: CommandContext, args: readonly string[]) => Promise<number>;

const commands: Readonly<Record<string, Command>> = {
  admin: adminCommand,
  explain: async (context, args) => (await import("./tell.ts")).explainCommand(context, args),
  reports: async (context, args) => (await import("./tell.ts")).reportsCommand(context, args),
  tls: async (context, args) => (await import("./tell.ts")).tlsCommand(context, args),
  dkim: async (context, args) => (await import("./tell.ts")).dkimCommand(context, args),
  trace: async (context, args) => (await import("./tell.ts")).traceCommand(context, args),
  queue: async (context, args) => (await import("./queue.ts")).queueCommand(context, args),
  quarantine: async (context, args) => (await import("./quarantine.ts")).quarantineCommand(context, args),
  learn: async (context, args) => (await import("./learn.ts")).learnCommand(context, args),
  mailbox: async (context, args) => (await import("./mailbox.ts")).mailboxCommand(context, args),
  metrics: async (context) => (await import("./queue.ts")).metricsCommand(context),
  health: async (context) => (await import("./health.ts")).healthCommand(context),
  docs: async (context, args) => (await import("./docs.ts")).docsCommand(context, args),
  setup: async (context, args) => (await import("./setup/setup.ts")).setupCommand(context, args),
};

async function main(argv: readonly string[]): Promise<number> {
  const args = [...argv];
  let root: string | undefined;
  // Before or just behind the command: what follows a subcommand is its own.
  const at = args.slice(0, 2).indexOf("--root");
  if (at >= 0) {
    root = args[at + 1];
    args.splice(at, 2);
    if (root === undefined) throw new CommandError("--root needs a directory", 2);
  }
  const name = basename(process.argv[1] ?? "") === "setup" ? "setup" : args.shift();
  const command = name === undefined ? undefined : commands[name];
  if (command === undefined)
    throw new CommandError(
      `${name === undefined ? "a command is missing" : `there is no command "${name}"`}; there are: ${Object.keys(commands).join(", ")}`,
      2,
    );
  return command(
    {
      directories: root === undefined ? dockerMailserverDirectories : directoriesBelow(resolve(root)),
      version: version(),
      env: process.env,
      stdin: process.stdin,
      out: (text) => process.stdout.write(`${text}\n`),
      err: (text) => process.stderr.write(`${text}\n`),
    },
    args,
  );
}

function version(): string {
  const text = readFileSync(new URL("../../package.json", import.meta.url), "utf8");
  return (JSON.parse(text) as { version: string }).version;
}

try {
  process.exitCode = await main(process.argv.slice(2));
} catch (error) {
  const exitCode = error instanceof CommandError ? error.exitCode : 1;
  // What the file system says (EACCES on the socket, for instance) is a sentence, too; the rest is a fault of ours.
  const expected =
    error instanceof CommandError || typeof (error as NodeJS.ErrnoException).syscall === "string";
  if (!expected) throw error;
  process.stderr.write(`${(error as Error).message}\n`);
  process.exitCode = exitCode;
}
