import { command, loggedIn, nothing, ok } from "./command.ts";

/** NAMESPACE (RFC 9051 §6.3.10): one personal namespace. */
export const namespace = command({
  name: "NAMESPACE",
  states: loggedIn,
  parse: nothing,
  run(session) {
    session.out.text(`* NAMESPACE (("" "${session.separator}")) NIL NIL\r\n`);
    return ok("That is all there is.");
  },
});
