/** Help, made from the command table. */
import type { Command } from "./command.ts";

/** The overview: every command with its line. */
export function overview(commands: readonly Command[]): string {
  const width = Math.max(...commands.map((command) => command.name.length));
  const rows = commands.map((command) => `  ${command.name.padEnd(width)}  ${command.summary}`);
  return [
    "Declare your mail. One typed stack from host and DNS to mailboxes.",
    "",
    "Usage: mailkeep <command> [options]",
    "",
    ...rows,
    "",
    "'mailkeep help <command>' says more. Exit codes: 0 done or unchanged, 1 error, 2 changes pending.",
    "",
  ].join("\n");
}

/** Everything about one command. */
export function commandHelp(command: Command): string {
  const options = Object.entries(command.options).map(([name, spec]): [string, string] => {
    const short = spec.short ? `-${spec.short}, ` : "";
    const value = spec.value ? ` <${spec.choices?.join("|") ?? spec.value}>` : "";
    return [`${short}--${name}${value}`, spec.summary];
  });
  const width = Math.max(0, ...options.map(([form]) => form.length));
  return [
    `Usage: mailkeep ${command.name}${command.usage ? ` ${command.usage}` : ""}${options.length > 0 ? " [options]" : ""}`,
    "",
    command.summary,
    ...(command.details ? ["", command.details] : []),
    ...(options.length > 0
      ? ["", ...options.map(([form, summary]) => `  ${form.padEnd(width)}  ${summary}`)]
      : []),
    "",
  ].join("\n");
}
