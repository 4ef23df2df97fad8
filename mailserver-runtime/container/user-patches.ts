/**
 * `user-patches.sh` of docker-mailserver: the administrator's own commands, run by bash as root after the volumes are ready
 * and before the server starts.
 *
 * docker-mailserver goes on whatever becomes of it. So do we, and say what happened; `USER_PATCHES_FAILURE=stop` ends the
 * container instead. Unlike there, a script that hangs is ended after `USER_PATCHES_TIMEOUT` seconds. What in it addresses
 * daemons that are not here is named, since it can have no effect.
 */
import { spawn } from "node:child_process";
import { existsSync, readFileSync, statSync } from "node:fs";
import { join } from "node:path";

const DEFAULT_SECONDS = 300;
/** Between asking the script to end and ending it. */
const KILL_AFTER_MS = 2_000;

/** Words that mean a daemon this server stands in for, and what to use instead. */
const absent: readonly (readonly [RegExp, string])[] = [
  [/\b(?:postconf|postmap|postfix|postqueue|postsuper)\b|\/etc\/postfix/, "Postfix"],
  [/\b(?:doveconf|doveadm|dovecot)\b|\/etc\/dovecot/, "Dovecot"],
  [/\bsupervisorctl\b|\/etc\/supervisor/, "supervisord"],
  [/\b(?:amavisd?|amavis-new)\b|\/etc\/amavis/, "Amavis"],
  [/\bfail2ban-client\b|\/etc\/fail2ban/, "fail2ban"],
  [/\b(?:opendkim|opendmarc)\b|\/etc\/opendk?marc|\/etc\/opendkim/, "OpenDKIM and OpenDMARC"],
  [/\/etc\/rspamd|\brspamc\b|\brspamadm\b/, "rspamd"],
];

/** Lines of the script that address daemons which are not here; comments left out. */
export function addressed(script: string): readonly { readonly line: number; readonly daemon: string }[] {
  return script.split("\n").flatMap((text, index) => {
    if (/^\s*#/.test(text)) return [];
    const found = absent.find(([pattern]) => pattern.test(text));
    return found === undefined ? [] : [{ line: index + 1, daemon: found[1] }];
  });
}

/** The script failed and its failure shall end the container. */
export class UserPatchesFailed extends Error {
  override name = "UserPatchesFailed";
}

/** @throws {UserPatchesFailed} with `USER_PATCHES_FAILURE=stop` only */
export async function runUserPatches(
  configDirectory: string,
  env: Readonly<Record<string, string | undefined>>,
  say: (text: string) => void,
): Promise<void> {
  const path = join(configDirectory, "user-patches.sh");
  if (!existsSync(path)) return;
  for (const { line, daemon } of addressed(readFileSync(path, "utf8")))
    say(`user-patches.sh, line ${line}: it addresses ${daemon}, which is not part of this server`);
  if ((statSync(path).mode & 0o111) === 0)
    say("user-patches.sh is not executable; it is run by bash all the same, as docker-mailserver does");
  const seconds = Number(env.USER_PATCHES_TIMEOUT ?? DEFAULT_SECONDS) || DEFAULT_SECONDS;
  const began = performance.now();
  const failure = await ended(path, env, seconds);
  if (failure === undefined) {
    say(`user-patches.sh ran, ${Math.round(performance.now() - began)} ms`);
    return;
  }
  const text = `user-patches.sh ${failure}`;
  if (env.USER_PATCHES_FAILURE === "stop")
    throw new UserPatchesFailed(`${text}; the server is not started (USER_PATCHES_FAILURE=stop)`);
  say(
    `${text}; the server starts all the same, as docker-mailserver does (USER_PATCHES_FAILURE=stop ends here)`,
  );
}

/** Undefined when it ended with 0. */
function ended(
  path: string,
  env: Readonly<Record<string, string | undefined>>,
  seconds: number,
): Promise<string | undefined> {
  return new Promise((resolve) => {
    // In a process group of its own: what it started ends with it.
    const child = spawn("/bin/bash", [path], {
      stdio: ["ignore", "inherit", "inherit"],
      env,
      detached: true,
    });
    let late = false;
    const end = (signal: NodeJS.Signals) => {
      try {
        process.kill(-child.pid!, signal);
      } catch {
        // It has ended in the meantime.
      }
    };
    const timer = setTimeout(() => {
      late = true;
      end("SIGTERM");
      setTimeout(() => end("SIGKILL"), KILL_AFTER_MS).unref();
    }, seconds * 1000);
    // A container that is stopped while the script runs ends at once.
    const stop = () => {
      end("SIGKILL");
      process.exit(143);
    };
    process.once("SIGTERM", stop);
    process.once("SIGINT", stop);
    const finish = (failure: string | undefined) => {
      clearTimeout(timer);
      process.off("SIGTERM", stop);
      process.off("SIGINT", stop);
      resolve(failure);
    };
    child.on("error", (error) => finish(`cannot be run: ${error.message}`));
    child.on("exit", (code, signal) => {
      if (late) finish(`did not end within ${seconds} s and was ended (USER_PATCHES_TIMEOUT)`);
      else if (code === 0) finish(undefined);
      else finish(`ended with ${signal ?? `code ${code}`}`);
    });
  });
}
