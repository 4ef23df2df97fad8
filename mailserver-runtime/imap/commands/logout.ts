import { anyState, command, nothing, ok } from "./command.ts";

/** LOGOUT (RFC 9051 §6.1.3): BYE comes before the tagged OK. */
export const logout = command({
  name: "LOGOUT",
  states: anyState,
  parse: nothing,
  run(session) {
    session.close();
    session.out.text("* BYE Logging out.\r\n");
    return ok("Good bye.");
  },
});
