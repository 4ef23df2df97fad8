import { updateStyle } from "../update-style.ts";
import { bad, command, loggedIn, nothing, ok } from "./command.ts";

/** What ends IDLE is one word. */
const MAX_LINE = 1024;

/** IDLE (RFC 2177; RFC 9051 §6.3.13): what others change is told as it happens, until DONE. */
export const idle = command({
  name: "IDLE",
  states: loggedIn,
  parse: nothing,
  async run(session) {
    const { out, limits } = session;
    // With NOTIFY it is the notifier that tells, as the client asked for (RFC 5465 §3).
    const selected = session.notifier ? undefined : session.selected;
    let scheduled: NodeJS.Immediate | undefined;
    let idling = true;
    let telling: Promise<unknown> = Promise.resolve();
    const tell = () => {
      scheduled = undefined;
      // A late scan must not tell an EXPUNGE in the middle of the next command.
      if (!idling || session.connection.closed) return;
      session.contexts?.tellLeaving();
      selected?.synchronize(out, updateStyle(session), true);
      out.endAnswer();
      // A search takes a moment; what it finds when IDLE has ended is told by the next command's end.
      telling = telling
        .then(() => session.contexts?.tellChanges())
        .then(
          () => out.endAnswer(),
          (error: unknown) =>
            session.log.warn({ event: "update-failed", err: error }, "a search could not be followed"),
        );
    };
    // Several changes of one turn go out together.
    const stop = selected?.mailbox.onChange(() => {
      scheduled ??= setImmediate(tell);
    });
    const keepAlive = setInterval(() => {
      out.text("* OK Still here.\r\n");
      out.endAnswer();
    }, limits.idleKeepAlive);
    keepAlive.unref();
    session.idling = true;
    session.notifier?.wake();
    try {
      const line = session.wire.continuation("idling", MAX_LINE);
      // A look for mail from outside, beside the wait for DONE; its failure is no reason to stop idling.
      selected?.mailbox
        .refresh()
        .then(tell, (error: unknown) =>
          session.log.warn({ event: "refresh-failed", err: error }, "a mailbox could not be scanned"),
        );
      const word = (await line).toString("latin1").trim().toUpperCase();
      return word === "DONE" ? ok("Idle no more.") : bad("IDLE ends with DONE.");
    } finally {
      idling = false;
      await telling;
      session.idling = false;
      clearInterval(keepAlive);
      if (scheduled) clearImmediate(scheduled);
      stop?.();
    }
  },
});
