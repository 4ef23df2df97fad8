/** A server under measurement, started for one measurement and ended by its own control. */
export interface BenchServer {
  /** Its first processes; what descends from them belongs to it. */
  readonly pids: readonly number[];
  readonly smtpPort: number;
  readonly imap: { readonly port: number; readonly tls: boolean };
  /** Addresses with a mailbox and the password of each. */
  readonly users: readonly string[];
  readonly password: string;
  stop(): Promise<void>;
}
export interface BenchPeer {
  readonly name: string;
  /** Why it cannot run here, or undefined. */
  missing(): string | undefined;
  version(): string;
  /** Starts it in `directory` (empty, its own) and resolves when SMTP and IMAP answer. */
  start(directory: string): Promise<BenchServer>;
}
/** The mailboxes of every measurement: ten users, as many as connections at rest. */
export const benchUsers: readonly string[] = Array.from({ length: 10 }, (_, i) => `u${i}@bench.test`);
export const benchPassword = "bench-password";
