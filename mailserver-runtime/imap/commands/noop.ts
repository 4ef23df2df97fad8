import { anyState, command, nothing, ok } from "./command.ts";

/** NOOP (RFC 9051 §6.1.2): a client asks for news; what others put into the mailbox is looked for. */
export const noop = command({
  name: "NOOP",
  states: anyState,
  parse: nothing,
  async run(session) {
    await session.selected?.mailbox.refresh();
    return ok("That was all.");
  },
});
