/**
 * Who is there? One answer for every protocol: SASL mechanisms and LOGIN commands bring credentials here.
 * Time of the answer does not tell an unknown account from a wrong password.
 */
import type { ScramProof } from "./scram.ts";

export interface Authenticator {
  /** Checks a password, a SCRAM proof or a token; `service` and `client` are for the log, the ban and app passwords. */
  verify(attempt: LoginAttempt): Promise<LoginResult>;
  close(): Promise<void>;
}
/** Who a client says it is, and by what it shows it: a password, a proof of one (SCRAM), or a token. */
export type Claim = {
  /** As the client gave it; `user@domain`, any case, or `user@domain*master`. With a token it may be "". */
  readonly username: string;
} & (
  | { readonly password: string; readonly scram?: undefined; readonly token?: undefined }
  | { readonly scram: ScramProof; readonly password?: undefined; readonly token?: undefined }
  | { readonly token: string; readonly password?: undefined; readonly scram?: undefined }
);
export type LoginAttempt = Claim & {
  readonly service: "smtp" | "imap" | "pop3" | "sieve";
  readonly client: { readonly address: string; readonly port: number };
};
export type LoginResult =
  /** `serverSignature`: for a SCRAM proof, what shows the client that we know its key. */
  | { readonly ok: true; readonly account: string; readonly serverSignature?: Buffer }
  /** "temporary": the directory or the hashing is not available: 454 4.7.0 / NO [UNAVAILABLE]. */
  | { readonly ok: false; readonly reason: "credentials" | "disabled" | "temporary" };
