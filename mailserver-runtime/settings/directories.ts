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
