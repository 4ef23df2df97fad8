/** Where a server's things lie. Absolute paths; each may be a volume of its own. */
export interface Directories {
  /** The administrator's files: DMS files, and `stack/` with what a Pulumi stack declares. /tmp/docker-mailserver in DMS. */
  readonly config: string;
  /** Maildirs, `<domain>/<localpart>/`. /var/mail in DMS. Never deleted by software. */
  readonly mail: string;
  /** Keys, certificates, queue, indexes: what must survive a restart. /var/mail-state in DMS. */
  readonly state: string;
  /** Log files. */
  readonly log: string;
  /** Sockets and the record of the running process; may vanish at a reboot. */
  readonly run: string;
}

/** The directories of a server that keeps everything below one place (the local target, tests). */
export function directoriesBelow(root: string): Directories {
  return {
    config: `${root}/config`,
    mail: `${root}/mail`,
    state: `${root}/state`,
    log: `${root}/log`,
    run: `${root}/run`,
  };
}

/** The volumes of a docker-mailserver container, which the image keeps. */
export const dockerMailserverDirectories: Directories = {
  config: "/tmp/docker-mailserver",
  mail: "/var/mail",
  state: "/var/mail-state",
  log: "/var/log/mail",
  run: "/run/mailkeep",
};
