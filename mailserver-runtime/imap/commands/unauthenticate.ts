import { command, loggedIn, nothing, ok } from "./command.ts";

/**
 * UNAUTHENTICATE (RFC 8437 §2): back to before login, for a proxy that serves another user next. TLS and
 * compression stay; what was selected, enabled, saved and asked to be told does not.
 */
export const unauthenticate = command({
  name: "UNAUTHENTICATE",
  states: loggedIn,
  parse: nothing,
  run(session) {
    session.forgetUser();
    return ok("Nobody is logged in.");
  },
});
