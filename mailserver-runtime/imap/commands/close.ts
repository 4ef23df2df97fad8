import { command, nothing, ok } from "./command.ts";

/** CLOSE (RFC 9051 §6.4.1): expunges in silence, unless the mailbox was examined or its list forbids it, and deselects. */
export const close = command({
  name: "CLOSE",
  states: ["selected"],
  parse: nothing,
  async run(session) {
    const { box } = session;
    const { mailbox } = box;
    let code: string | undefined;
    if (!box.readOnly && box.may("e")) {
      const { modSeq } = await mailbox.expunge();
      if (session.enabled.qresync && modSeq > 0) code = `HIGHESTMODSEQ ${modSeq}`;
    }
    session.unselect();
    return ok("Closed.", code);
  },
});
