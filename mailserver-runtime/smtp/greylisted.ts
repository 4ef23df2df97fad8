/** Greylisting in a session: whom it asks to come again, and in what words. Nobody who has logged in, and no server of ours. */
import type { Verdict } from "../filter/pipeline.ts";
import { type Reply, reply } from "./reply.ts";
import type { Session, Transaction } from "./session.ts";

/** At RCPT, where every stranger has to wait (Postgrey's way); undefined: nobody has to be asked. */
export function greylistedRecipient(
  session: Session,
  transaction: Transaction,
  recipient: string,
): Promise<Reply | undefined> | undefined {
  const { all, text } = transaction.snapshot.settings.greylist;
  if (!all || session.services.greylisting === undefined || !isStranger(session)) return undefined;
  return waits(session, transaction, recipient).then((seconds) =>
    seconds === undefined
      ? undefined
      : reply(450, "4.7.1", `<${recipient}>: Recipient address rejected: ${text}`),
  );
}

/** At the end of a message, where only what has a score has to wait (rspamd's way). */
export async function greylistedMessage(
  session: Session,
  transaction: Transaction,
  verdict: Verdict | undefined,
): Promise<Reply | undefined> {
  const { suspicious, score } = transaction.snapshot.settings.greylist;
  if (!suspicious || verdict === undefined || verdict.score < score || !isStranger(session)) return undefined;
  const [first] = transaction.recipients;
  if (first === undefined) return undefined;
  const seconds = await waits(session, transaction, first.address);
  return seconds === undefined ? undefined : reply(451, "4.7.1", "Greylisted; try again later");
}

const isStranger = ({ mode, account }: Session): boolean => mode === "mx" && account === undefined;

async function waits(
  session: Session,
  { from }: Transaction,
  recipient: string,
): Promise<number | undefined> {
  return session.services.greylisting?.waits({
    client: session.connection.remote.address,
    helo: session.helo ?? "",
    sender: from,
    recipient,
  });
}
