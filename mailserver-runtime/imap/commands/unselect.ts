import { command, nothing, ok } from "./command.ts";

/** UNSELECT (RFC 3691; RFC 9051 §6.4.2): CLOSE that expunges nothing. */
export const unselect = command({
  name: "UNSELECT",
  states: ["selected"],
  parse: nothing,
  run(session) {
    session.unselect();
    return ok("Closed, nothing expunged.");
  },
});
