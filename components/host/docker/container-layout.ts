/**
 * What every container of the mail server has, whether it serves or only performs an operation: the volumes of
 * docker-mailserver, a read-only root, and the capabilities its first program needs to become the mail user
 * (mailserver-runtime/container). Pure; the same for the plan and for the host.
 */
import type { Directories } from "../../../mailserver-runtime/settings/directories.ts";

/** The user that mail belongs to, in the image and on the host. */
export const MAIL_USER = 5000;

export const capabilities = [
  "CHOWN",
  "DAC_OVERRIDE",
  "FOWNER",
  "SETUID",
  "SETGID",
  "SETPCAP",
  "NET_BIND_SERVICE",
] as const;

/** Where each volume of the server is mounted. */
const mounts = {
  config: "/tmp/docker-mailserver",
  mail: "/var/mail",
  state: "/var/mail-state",
  log: "/var/log/mail",
} as const;
export type Volume = keyof typeof mounts;
export const volumes = Object.keys(mounts) as Volume[];

/** Host path and container path of each volume. */
export function volumePaths(
  directory: string,
): { readonly hostPath: string; readonly containerPath: string }[] {
  return volumes.map((volume) => ({ hostPath: `${directory}/${volume}`, containerPath: mounts[volume] }));
}

/** Where the server's things lie, on the host; sockets exist in the container alone. */
export function directoriesOf(directory: string): Directories {
  return {
    config: `${directory}/config`,
    mail: `${directory}/mail`,
    state: `${directory}/state`,
    log: `${directory}/log`,
    run: "/run/mailkeep",
  };
}

/** `HostConfig` of a container that lives for one task. */
export function shortLived(binds: readonly string[]): Record<string, unknown> {
  return {
    AutoRemove: true,
    Binds: binds,
    CapAdd: capabilities,
    CapDrop: ["ALL"],
    Init: true,
    NetworkMode: "none",
    ReadonlyRootfs: true,
    SecurityOpt: ["no-new-privileges"],
    Tmpfs: { "/run": "" },
  };
}
