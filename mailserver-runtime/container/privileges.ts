/**
 * What the server keeps of the container's privileges: its own user, and of the capabilities those that are granted and
 * needed. Everything else is out of reach for good (bounding set, no_new_privs; capabilities(7)).
 */
import { existsSync, readFileSync, statSync } from "node:fs";

export interface User {
  readonly uid: number;
  readonly gid: number;
}

/** Numbers of linux/capability.h. */
const numbers = {
  chown: 0,
  dac_override: 1,
  fowner: 3,
  setpcap: 8,
  net_bind_service: 10,
  net_admin: 12,
} as const;
export type Capability = keyof typeof numbers;

/** Who needs what; those that are not granted are gone without. */
const wanted: Readonly<Record<"server" | "command", readonly Capability[]>> = {
  /** Ports below 1024, and the sets of nftables where the container may change them. */
  server: ["net_bind_service", "net_admin"],
  /** A file that `setup` changes keeps its owner. */
  command: ["chown", "fowner"],
};

/** The capabilities this process may use. */
export function capabilitiesNow(status = readFileSync("/proc/self/status", "latin1")): Set<Capability> {
  const mask = BigInt(`0x${/^CapPrm:\s*([0-9a-f]+)/m.exec(status)?.[1] ?? "0"}`);
  const names = Object.keys(numbers) as Capability[];
  return new Set(names.filter((name) => (mask >> BigInt(numbers[name])) & 1n));
}

/**
 * Whether the mail user must read what belongs to others: a configuration directory as docker-mailserver's users have it
 * (owned by whoever edits it), keys of Let's Encrypt that are root's. Where the directory is the mail user's own, no.
 */
export function needsToOverride(
  configDirectory: string,
  env: Readonly<Record<string, string | undefined>>,
  { uid }: User,
): boolean {
  const owner = statSync(configDirectory, { throwIfNoEntry: false })?.uid;
  return (
    (owner !== undefined && owner !== uid) ||
    existsSync("/etc/letsencrypt") ||
    ["SSL_KEY_PATH", "SSL_ALT_KEY_PATH"].some((name) => (env[name] ?? "") !== "")
  );
}

export interface Privileges {
  readonly kept: readonly Capability[];
  /** Begins a command line that runs as the user, with what is kept and no more. */
  prefix(user: User): readonly string[];
}

export function privilegesFor(
  who: keyof typeof wanted,
  granted: ReadonlySet<Capability>,
  override: boolean,
): Privileges {
  const needed = [...wanted[who], ...(override || who === "command" ? (["dac_override"] as const) : [])];
  const kept = needed.filter((name) => granted.has(name));
  const list = ["-all", ...kept.map((name) => `+${name}`)].join(",");
  return {
    kept,
    prefix: ({ uid, gid }) => [
      "/usr/bin/setpriv",
      `--reuid=${uid}`,
      `--regid=${gid}`,
      "--clear-groups",
      `--inh-caps=${list}`,
      `--ambient-caps=${list}`,
      ...(granted.has("setpcap") ? [`--bounding-set=${list}`] : []),
      "--no-new-privs",
    ],
  };
}
