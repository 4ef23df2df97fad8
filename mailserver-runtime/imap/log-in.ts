/**
 * From credentials to an account, the same for LOGIN and every SASL mechanism.
 *
 * A failure waits before it is answered, twice as long each time, and only its own connection waits. The
 * line it leaves in the log has the fields a ban reads: event, service, client, username.
 */
import { setTimeout as sleep } from "node:timers/promises";
import type { Claim, LoginResult } from "../auth/authenticator.ts";
import { StoreError } from "../store/mail-store.ts";
import { capabilities } from "./capabilities.ts";
import { type Completion, no, ok } from "./commands/command.ts";
import type { Session } from "./session.ts";

/** How often the process that has an account is looked for. */
const ATTEMPTS = 6;

/** What a refused login is told (RFC 5530); nothing says whether the account exists. */
const REFUSALS: Record<Extract<LoginResult, { ok: false }>["reason"], Completion> = {
  credentials: no("Name or password is wrong.", "AUTHENTICATIONFAILED"),
  disabled: no("This account is switched off.", "AUTHORIZATIONFAILED"),
  temporary: no("Logins cannot be checked at the moment; try again later.", "UNAVAILABLE"),
};

/** Without TLS no credentials are taken, and none should be sent (RFC 5530 PRIVACYREQUIRED). */
export const privacyRequired = no("Passwords travel only through TLS here.", "PRIVACYREQUIRED");

/** Whether the client is who it says, and what the log is told of it. */
export async function verify(session: Session, credentials: Claim): Promise<LoginResult> {
  const { remote } = session.connection;
  const result = await session.dependencies.authenticator.verify({
    ...credentials,
    service: "imap",
    client: remote,
  });
  const { username } = credentials;
  const line = { service: "imap", client: remote.address, username };
  if (result.ok) session.log.info({ event: "login", ...line }, "logged in");
  else session.log.warn({ event: "login-failed", ...line, reason: result.reason }, "login failed");
  return result;
}

/** Opens the account of a good login, or answers a bad one. */
export async function logIn(session: Session, result: LoginResult): Promise<Completion> {
  const { dependencies, limits } = session;
  if (!result.ok) {
    if (result.reason !== "temporary") {
      await sleep(limits.failedLoginDelay * 2 ** session.failedLogins);
      session.failedLogins += 1;
    }
    return REFUSALS[result.reason];
  }
  for (let attempt = 1; session.next === undefined && !session.account; attempt++) {
    try {
      const elsewhere = await dependencies.elsewhere?.(result.account, session.connection);
      if (elsewhere === undefined) session.enter(await dependencies.store.account(result.account));
      else
        session.next = async () => {
          await elsewhere();
          session.state = "logout";
        };
    } catch (error) {
      if (!(error instanceof StoreError)) throw error;
      // Where several processes serve, the account may have changed hands between the two questions.
      if (dependencies.elsewhere && error.code === "unavailable" && attempt < ATTEMPTS) {
        await sleep(attempt * 20);
        continue;
      }
      session.log.error({ event: "account-unavailable", account: result.account, err: error }, error.message);
      return no("The mail of this account cannot be reached at the moment.", "UNAVAILABLE");
    }
  }
  session.state = "authenticated";
  return ok("Logged in.", `CAPABILITY ${capabilities(session)}`);
}
