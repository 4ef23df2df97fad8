import { command, nothing, ok } from "./command.ts";

/** CLOSE (RFC 9051 §6.4.1): expunges in silence, unless the mailbox was examined, and deselects. */
export const close = command({
  name: "CLOSE",
  states: ["selected"],
  parse: nothing,
  async run(session) {
    const { mailbox, readOnly } = session.box;
    let code: string | undefined;
    if (!readOnly) {
      const { modSeq } = await mailbox.expunge();
      if (session.enabled.qresync && modSeq > 0) code = `HIGHESTMODSEQ ${modSeq}`;
    }
    session.unselect();
    return ok("Closed.", code);
  },
});
