/**
 * `explain`, `trace`, `reports` and `tls` where the server runs: asked of the running server, or answered from its files where none does.
 * The same as the stack's commands of these names, for a container that no stack declared.
 */
import { existsSync } from "node:fs";
import { resolve } from "node:path";
import { parseArgs } from "node:util";
import { ask } from "./ask.ts";
import { type CommandContext, CommandError } from "./command.ts";

/** `explain <address | message file> [--from <sender>]`, for a file with `--client`, `--helo` and `--recipient` as well */
export async function explainCommand(context: CommandContext, args: readonly string[]): Promise<number> {
  const { values, positionals } = parsed(args, {
    from: { type: "string" },
    client: { type: "string" },
    helo: { type: "string" },
    recipient: { type: "string" },
  });
  const [about] = positionals;
  if (about === undefined || positionals.length > 1)
    throw new CommandError(
      "usage: explain <address> [--from <sender>]\n       explain <message file> [--client <address>] [--helo <name>] [--from <sender>] [--recipient <address>]",
    );
  const { lines } = existsSync(about)
    ? await ask(context, "message.explain", { path: resolve(about), ...values })
    : await ask(context, "explain", { address: about, from: values.from });
  context.out(lines.join("\n"));
  return 0;
}

/** `trace <message-id | id | sender | recipient>` */
export async function traceCommand(context: CommandContext, args: readonly string[]): Promise<number> {
  const { positionals } = parsed(args, {});
  const [about] = positionals;
  if (about === undefined || positionals.length > 1)
    throw new CommandError("usage: trace <message-id | queue id | sender | recipient>");
  const { lines } = await ask(context, "trace", { about });
  if (lines.length === 0) throw new CommandError(`The log knows nothing of ${about}.`);
  context.out(lines.join("\n"));
  return 0;
}

/** `reports [domain] [--days <number>]` */
export async function reportsCommand(context: CommandContext, args: readonly string[]): Promise<number> {
  const { values, positionals } = parsed(args, { days: { type: "string" } });
  const [domain] = positionals;
  const days = Number(values.days ?? 30);
  if (positionals.length > 1 || !Number.isInteger(days))
    throw new CommandError("usage: reports [domain] [--days <number>]");
  const { lines } = await ask(context, "reports", { domain, days });
  context.out(lines.join("\n"));
  return 0;
}

/** `tls status [name] ...`, `tls renew <name>` */
export async function tlsCommand(context: CommandContext, args: readonly string[]): Promise<number> {
  const { positionals } = parsed(args, {});
  const [action, ...names] = positionals;
  if (action === "renew" && names.length === 1) {
    context.out((await ask(context, "certificate.renew", { names })).lines.join("\n"));
    return 0;
  }
  if (action !== "status") throw new CommandError("usage: tls status [name] ...\n       tls renew <name>");
  const { lines } = await ask(context, "tls.status", names.length === 0 ? {} : { names });
  context.out(lines.join("\n"));
  return 0;
}

/** `dkim status [domain]`, `dkim rotate <domain>` */
export async function dkimCommand(context: CommandContext, args: readonly string[]): Promise<number> {
  const { positionals } = parsed(args, {});
  const [action, domain, ...more] = positionals;
  if (more.length > 0 || (action !== "status" && (action !== "rotate" || domain === undefined)))
    throw new CommandError("usage: dkim status [domain]\n       dkim rotate <domain>");
  const { lines } =
    action === "rotate" && domain !== undefined
      ? await ask(context, "dkim.rotate", { domain })
      : await ask(context, "dkim.status", domain === undefined ? {} : { domain });
  context.out(lines.join("\n"));
  return 0;
}

function parsed(args: readonly string[], options: Readonly<Record<string, { type: "string" }>>) {
  try {
    return parseArgs({ args: [...args], options, allowPositionals: true });
  } catch (error) {
    throw new CommandError((error as Error).message);
  }
}
