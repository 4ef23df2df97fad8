/**
 * Who is there? One answer for every protocol: SASL mechanisms and LOGIN commands bring credentials here.
 * Time of the answer does not tell an unknown account from a wrong password.
 */
export interface Authenticator {
  /** Checks a password; `service` and `client` are for the log, the ban and app passwords. */
  verify(attempt: LoginAttempt): Promise<LoginResult>;
  close(): Promise<void>;
}
export interface LoginAttempt {
  /** As the client gave it; `user@domain`, any case, or `user@domain*master`. */
  readonly username: string;
  readonly password: string;
  readonly service: "smtp" | "imap" | "pop3" | "sieve";
  readonly client: { readonly address: string; readonly port: number };
}
export type LoginResult =
  | { readonly ok: true; readonly account: string }
  /** "temporary": the directory or the hashing is not available: 454 4.7.0 / NO [UNAVAILABLE]. */
  | { readonly ok: false; readonly reason: "credentials" | "disabled" | "temporary" };
