import { command, nothing, ok } from "./command.ts";

/** CHECK (RFC 3501 §6.4.1): what we promised is durable already, so it looks for news as NOOP does. */
export const check = command({
  name: "CHECK",
  states: ["selected"],
  parse: nothing,
  async run(session) {
    await session.box.mailbox.refresh();
    return ok("Checked.");
  },
});
