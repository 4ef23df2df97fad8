/** A server under an IMAP measurement: mail lies in `<directory>/mail/<domain>/<local part>` as Maildir. */
export interface ImapBenchServer {
  /** Its first processes; what descends from them belongs to it. */
  readonly pids: readonly number[];
  /** IMAP with TLS from the first byte on. */
  readonly port: number;
  stop(): Promise<void>;
}
export interface ImapBenchPeer {
  readonly name: string;
  /** Why it cannot run here, or undefined. */
  missing(): string | undefined;
  version(): string;
  /**
   * Starts it in `directory`, where mail may lie already and where it may have run before; resolves when IMAP
   * answers. `hashes` are SHA512-CRYPT, by address.
   */
  start(directory: string, hashes: ReadonlyMap<string, string>): Promise<ImapBenchServer>;
}
