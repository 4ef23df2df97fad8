/**
 * A machine that is administered as root, whatever lies between: what packages, units and firewalls are made with. Every
 * script is `sh`; values reach it as arguments or on standard input, never inside its text. Secrets go to standard input
 * alone: arguments stand in the machine's process list.
 */
import type { Readable } from "node:stream";
import type { Limit } from "./connection.ts";
import { HostError, type HostErrorCode } from "./host-error.ts";

export interface Script {
  /** For messages, after "could not": "write /etc/mailkeep/firewall.nft". */
  readonly what: string;
  /** POSIX shell; `$1` and on are the arguments. */
  readonly text: string;
  readonly args?: readonly string[];
  readonly input?: string | Readable;
}

/** A script that has ended. */
export interface Ended {
  /** Null where a signal ended it. */
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** What a machine says of itself, once asked. */
export interface MachineFacts {
  /** `debian`, `ubuntu`: ID of os-release(5). */
  readonly distribution: string;
  /** `Debian GNU/Linux 12 (bookworm)`. */
  readonly system: string;
  readonly processor: "x64" | "arm64";
  /** Whether systemd is its first process. */
  readonly systemd: boolean;
  /** The port of its sshd that this connection came to. */
  readonly sshPort: number;
}

export interface Machine {
  /** Names the machine in messages. */
  readonly name: string;
  /** @throws {HostError} `unsupported` for a machine that mailkeep cannot use */
  facts(limit: Limit): Promise<MachineFacts>;
  /** Runs a script to its end. A code that is not 0 is an answer. */
  run(script: Script, limit: Limit): Promise<Ended>;
}

/** Runs a script that must succeed, and gives what it printed. */
export async function done(machine: Machine, script: Script, limit: Limit): Promise<string> {
  const ended = await machine.run(script, limit);
  if (ended.code === 0) return ended.stdout;
  throw scriptFailure(machine, script, ended);
}

/** What a failed script's standard error means, first row that fits. */
const causes: readonly (readonly [RegExp, HostErrorCode, string])[] = [
  [/No space left on device|Disk quota exceeded|ENOSPC/i, "no-space", "its disk is full"],
  [/Read-only file system/i, "permission", "its file system is read-only"],
  [
    /Could not get lock|dpkg frontend lock/i,
    "conflict",
    "another program installs packages there at the moment; run again when it is done",
  ],
  [
    /Temporary failure resolving|Could not resolve host|Failed to fetch|Unable to connect to/i,
    "unreachable",
    "it does not reach its package mirror",
  ],
  [/Unable to locate package/i, "not-found", "its package lists do not have it"],
];

export function scriptFailure(machine: Machine, { what }: Script, { code, stderr }: Ended): HostError {
  const [, kind = "internal", why] = causes.find(([pattern]) => pattern.test(stderr)) ?? [];
  const said = stderr
    .trim()
    .split("\n")
    .slice(-6)
    .map((line) => `\n  ${line.slice(0, 300)}`);
  const because = why ?? (code === null ? "it was killed" : `it ended with ${code}`);
  return new HostError(
    kind,
    `${machine.name} could not ${what}: ${because}.${stderr.trim() === "" ? "" : said.join("")}`,
  );
}

/** A file's text; undefined where none is. */
export async function readText(machine: Machine, path: string, limit: Limit): Promise<string | undefined> {
  const text = await done(
    machine,
    { what: `read ${path}`, text: 'if [ -e "$1" ]; then printf + && cat -- "$1"; fi', args: [path] },
    limit,
  );
  return text === "" ? undefined : text.slice(1);
}

/** Writes a file of root's, whole or not at all, and durably. The directory above it is made. */
export async function writeText(
  machine: Machine,
  { path, text, mode }: { readonly path: string; readonly text: string; readonly mode: string },
  limit: Limit,
): Promise<void> {
  const script = `set -eu
mkdir -p -- "$(dirname -- "$1")"
temporary=$(mktemp -- "$1.XXXXXX")
trap 'rm -f -- "$temporary"' EXIT
cat >"$temporary"
chmod -- "$2" "$temporary"
sync -- "$temporary"
mv -f -- "$temporary" "$1"
trap - EXIT
sync -- "$(dirname -- "$1")"`;
  await done(machine, { what: `write ${path}`, text: script, args: [path, mode], input: text }, limit);
}

export async function removeFile(machine: Machine, path: string, limit: Limit): Promise<void> {
  await done(machine, { what: `remove ${path}`, text: 'rm -f -- "$1"', args: [path] }, limit);
}
