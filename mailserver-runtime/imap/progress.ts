/**
 * INPROGRESS (RFC 9585): a sign of life while a command takes long, so that a client need not guess whether
 * the server still works. Only for commands that write their answer in one step at their end; between the
 * bytes of an answer nothing else may stand. How much is done is not told: it would be a guess too.
 */
import type { Session } from "./session.ts";

/** Runs `work`, telling the client now and then that it runs. */
export async function withProgress<Result>(session: Session, work: () => Promise<Result>): Promise<Result> {
  const { out, limits, tag } = session;
  const timer = setInterval(() => {
    if (session.connection.closed) return;
    out.text(`* OK [INPROGRESS ("${tag}" NIL NIL)] Still at it.\r\n`);
    out.endAnswer();
  }, limits.progressInterval);
  timer.unref();
  try {
    return await work();
  } finally {
    clearInterval(timer);
  }
}
