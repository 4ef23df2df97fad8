/**
 * The first program of the container.
 *
 *     entry.ts                     starts the server
 *     entry.ts <command> ...       a command of the server's own command line: setup, admin, health ...
 *
 * As root it gives the volumes to the mail user, runs `user-patches.sh` and then *becomes* the server or the command: the
 * process goes on as the mail user, with the few capabilities that are needed and no way to others. So nothing runs as root
 * once the server does, and there is no second process between Docker's signals and the server (docs/decisions/0024).
 * Started as another user (`--user`), it changes nothing and goes on as that user.
 *
 * What it imports is little on purpose: it runs before each `docker exec ... setup` too.
 */
import { fileURLToPath } from "node:url";
import { dockerMailserverDirectories as directories } from "../settings/directories.ts";
import { capabilitiesNow, needsToOverride, privilegesFor, type User } from "./privileges.ts";
import { runUserPatches } from "./user-patches.ts";
import { prepareVolumes, VolumeProblem } from "./volumes.ts";

const extension = import.meta.url.endsWith(".ts") ? "ts" : "js";
const programs = {
  server: fileURLToPath(new URL(`../main.${extension}`, import.meta.url)),
  command: fileURLToPath(new URL(`../cli/main.${extension}`, import.meta.url)),
};

const say = (text: string) => void process.stdout.write(`mailkeep: ${text}\n`);

/** The account that all mail belongs to; DMS's variables and default. */
function mailUser(): User {
  const number = (name: string) => {
    const text = process.env[name] ?? "5000";
    if (/^[1-9]\d{0,8}$/.test(text)) return Number(text);
    throw new VolumeProblem(`${name} is "${text}"; it is a user's number, and not root's`);
  };
  return { uid: number("DMS_VMAIL_UID"), gid: number("DMS_VMAIL_GID") };
}

/** Becomes another program; comes back only by an error. */
function become(argv: readonly string[]): never {
  const environment: Record<string, string> = { UV_THREADPOOL_SIZE: "16" };
  for (const [name, value] of Object.entries(process.env)) if (value !== undefined) environment[name] = value;
  return process.execve!(argv[0]!, argv, environment) as never;
}

async function main(args: readonly string[]): Promise<void> {
  const isServer = args.length === 0;
  const program = isServer
    ? [process.execPath, programs.server, "--log-to-stdout", "--probe"]
    : [process.execPath, programs.command, ...args];
  if (process.getuid!() !== 0) {
    await prepareVolumes(directories, undefined);
    return become(program);
  }
  const user = mailUser();
  await prepareVolumes(directories, user);
  if (isServer) await runUserPatches(directories.config, process.env, say);
  const override = needsToOverride(directories.config, process.env, user);
  const privileges = privilegesFor(isServer ? "server" : "command", capabilitiesNow(), override);
  become([...privileges.prefix(user), ...program]);
}

try {
  await main(process.argv.slice(2));
} catch (error) {
  process.stderr.write(`mailkeep: ${error instanceof Error ? error.message : String(error)}\n`);
  process.exitCode = 1;
}
