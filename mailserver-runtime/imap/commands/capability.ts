import { capabilities } from "../capabilities.ts";
import { anyState, command, nothing, ok } from "./command.ts";

/** CAPABILITY (RFC 9051 §6.1.1). */
export const capability = command({
  name: "CAPABILITY",
  states: anyState,
  parse: nothing,
  run(session) {
    session.out.text(`* CAPABILITY ${capabilities(session)}\r\n`);
    return ok("That is what there is.");
  },
});
