/**
 * From credentials to an account, the same for LOGIN and every SASL mechanism.
 *
 * A failure waits before it is answered, twice as long each time, and only its own connection waits. The
 * line it leaves in the log has the fields a ban reads: event, service, client, username.
 */
import { setTimeout as sleep } from "node:timers/promises";
import type { LoginResult } from "../auth/authenticator.ts";
import { StoreError } from "../store/mail-store.ts";
import { UserMailboxes } from "./access/user-mailboxes.ts";
import { capabilities } from "./capabilities.ts";
import { type Completion, no, ok } from "./commands/command.ts";
import type { Session } from "./session.ts";

/** What a refused login is told (RFC 5530); nothing says whether the account exists. */
const REFUSALS: Record<Extract<LoginResult, { ok: false }>["reason"], Completion> = {
  credentials: no("Name or password is wrong.", "AUTHENTICATIONFAILED"),
  disabled: no("This account is switched off.", "AUTHORIZATIONFAILED"),
  temporary: no("Logins cannot be checked at the moment; try again later.", "UNAVAILABLE"),
};

/** Without TLS no credentials are taken, and none should be sent (RFC 5530 PRIVACYREQUIRED). */
export const privacyRequired = no("Passwords travel only through TLS here.", "PRIVACYREQUIRED");

export async function logIn(session: Session, username: string, password: string): Promise<Completion> {
  const { connection, dependencies, limits } = session;
  if (!connection.tls) return privacyRequired;
  const { remote } = connection;
  const result = await dependencies.authenticator.verify({
    username,
    password,
    service: "imap",
    client: remote,
  });
  if (!result.ok) {
    session.log.warn(
      { event: "login-failed", service: "imap", client: remote.address, username, reason: result.reason },
      "login failed",
    );
    if (result.reason !== "temporary") {
      await sleep(limits.failedLoginDelay * 2 ** session.failedLogins);
      session.failedLogins += 1;
    }
    return REFUSALS[result.reason];
  }
  try {
    const { store, isActive } = dependencies;
    session.account = new UserMailboxes({ store, own: await store.account(result.account), isActive });
  } catch (error) {
    if (!(error instanceof StoreError)) throw error;
    session.log.error({ event: "account-unavailable", account: result.account, err: error }, error.message);
    return no("The mail of this account cannot be reached at the moment.", "UNAVAILABLE");
  }
  session.state = "authenticated";
  session.failedLogins = 0;
  session.log = session.log.child({ account: result.account });
  session.log.info({ event: "login", service: "imap", client: remote.address, username }, "logged in");
  return ok("Logged in.", `CAPABILITY ${capabilities(session)}`);
}
