import { positionOf } from "../../store/mail-store.ts";
import type { Cursor } from "../grammar/cursor.ts";
import { GrammarError } from "../grammar/cursor.ts";
import { overQuota, withRoom } from "../quota.ts";
import { receiveMessage } from "../receive-message.ts";
import type { Session } from "../session.ts";
import { afterMessage, type MessageOptions, parseMessageOptions, whyNot } from "./append.ts";
import { bad, type Command, type Completion, command, no, ok } from "./command.ts";

interface ReplaceArguments {
  readonly number: number;
  readonly name: string;
  readonly options: MessageOptions;
}

function parse(cursor: Cursor, session: Session): ReplaceArguments {
  cursor.space();
  const number = cursor.nonZero();
  cursor.space();
  const name = session.mailboxName(cursor);
  return { number, name, options: parseMessageOptions(cursor) };
}

async function run(session: Session, args: ReplaceArguments, byUid: boolean): Promise<Completion> {
  const { box, out } = session;
  if (!session.wire.literal || args.options.parts)
    return bad("REPLACE: expected a literal with the message.");
  if (box.readOnly) return no("The mailbox was examined, not selected.", "READ-ONLY");
  const position = byUid ? positionOf(box.known, args.number) : args.number - 1;
  if (position < 0 || position >= box.known.count) {
    if (byUid) return no("There is no such message.", "NONEXISTENT");
    throw new GrammarError(`there are only ${box.known.count} messages`);
  }
  const uid = box.known.uids[position]!;
  if (!box.may("t") || !box.may("e")) return no("You may not remove messages here.", "NOPERM");
  const missing = await whyNot(session, args.name);
  if (missing) return missing;
  // What goes makes room for what comes (RFC 8508 §3.1).
  const growth = session.wire.literal.size - box.known.sizes[position]!;
  const full = growth > 0 ? await overQuota(session, args.name, { bytes: growth, messages: 0 }) : undefined;
  if (full) return full;
  const received = await receiveMessage(session);
  if ("refused" in received) return received.refused;
  try {
    (await afterMessage(session, args.options)).end();
    const target = await session.mail.open(args.name);
    try {
      const { flags, internalDate } = args.options;
      const growing = { bytes: Math.max(0, growth), messages: 0 };
      const stored = await withRoom(session, args.name, growing, () =>
        target.append({ content: received.content, flags, internalDate }),
      );
      out.text(`* OK [APPENDUID ${target.uidValidity} ${stored.uid}] Stored.\r\n`);
    } finally {
      target.release();
    }
    // Only when the new one is durable does the old one go (RFC 8508 §3.1).
    await box.mailbox.setFlags({ uids: [uid], mode: "add", flags: ["\\Deleted"] });
    await box.mailbox.expunge([uid]);
    return ok("Replaced.");
  } finally {
    await received.content.dispose();
  }
}

/** REPLACE and UID REPLACE (RFC 8508): APPEND and EXPUNGE of one message in one step. */
const row = (name: string, byUid: boolean): Command =>
  command({
    name,
    states: ["selected"],
    messageAfter: 2,
    parse,
    run: (session, args) => run(session, args, byUid),
  });
export const replace = row("REPLACE", false);
export const uidReplace = row("UID REPLACE", true);
