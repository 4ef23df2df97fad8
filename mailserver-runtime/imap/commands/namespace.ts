import { command, loggedIn, nothing, ok } from "./command.ts";

/** NAMESPACE (RFC 9051 §6.3.10): the own mailboxes, and those of others. */
export const namespace = command({
  name: "NAMESPACE",
  states: loggedIn,
  parse: nothing,
  run(session) {
    const { separator } = session;
    session.out.text(
      `* NAMESPACE (("" "${separator}")) (("${session.mail.othersPrefix}" "${separator}")) NIL\r\n`,
    );
    return ok("That is all there is.");
  },
});
