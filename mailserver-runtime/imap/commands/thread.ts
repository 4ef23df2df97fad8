import { envelopeFields } from "../../message/mime/envelope.ts";
import type { Cursor } from "../grammar/cursor.ts";
import { GrammarError } from "../grammar/cursor.ts";
import { parseSearchProgram, type SearchNode } from "../grammar/search-program.ts";
import type { Output } from "../output.ts";
import { withProgress } from "../progress.ts";
import { baseSubject } from "../search/base-subject.ts";
import { search } from "../search/matcher.ts";
import { headerAt, sentDate } from "../search/sort-keys.ts";
import { byReferences, orderedSubject, type ThreadMessage, type ThreadNode } from "../search/thread.ts";
import type { Session } from "../session.ts";
import { type Command, type Completion, command, ok } from "./command.ts";

const ALGORITHMS: Record<string, (messages: readonly ThreadMessage[]) => ThreadNode[]> = {
  ORDEREDSUBJECT: orderedSubject,
  REFERENCES: byReferences,
};
/** References of one message that are followed. */
const MAX_REFERENCES = 500;

interface ThreadArguments {
  readonly algorithm: string;
  readonly program: SearchNode;
}

function parse(cursor: Cursor): ThreadArguments {
  cursor.space();
  const algorithm = cursor.keyword();
  if (!Object.hasOwn(ALGORITHMS, algorithm))
    throw new GrammarError("threads are made by ORDEREDSUBJECT or REFERENCES");
  cursor.space();
  const charset = cursor.astring().toString("latin1");
  cursor.space();
  return { algorithm, program: parseSearchProgram(cursor, { charset }) };
}

async function run(session: Session, args: ThreadArguments, byUid: boolean): Promise<Completion> {
  const { box, out } = session;
  const messages: ThreadMessage[] = [];
  for (const position of await search(session, args.program)) {
    const fields = envelopeFields(await headerAt(session, position));
    const references = ids(fields.references ?? "");
    messages.push({
      number: byUid ? box.known.uids[position]! : position + 1,
      date: sentDate(fields.date, box.known.dates[position]!),
      ...baseSubject(fields.subject ?? ""),
      messageId: ids(fields["message-id"] ?? "")[0],
      references: references.length > 0 ? references : ids(fields["in-reply-to"] ?? "").slice(0, 1),
    });
    if (out.mustPause()) await out.pause();
  }
  out.text("* THREAD");
  const threads = ALGORITHMS[args.algorithm]!(messages);
  if (threads.length > 0) out.text(" ");
  for (const thread of threads) writeThread(out, thread);
  out.text("\r\n");
  return ok("Threaded.");
}

function ids(value: string): string[] {
  return (value.match(/<[^<>\s]+>/g) ?? []).slice(-MAX_REFERENCES);
}

/** `(1 2 (3 4)(5))`: a chain without parentheses, branches with (RFC 5256 §4). Without recursion. */
function writeThread(out: Output, root: ThreadNode): void {
  const work: (ThreadNode | string)[] = [")", root, "("];
  for (let next = work.pop(); next !== undefined; next = work.pop()) {
    if (typeof next === "string") {
      out.text(next);
      continue;
    }
    if (next.message) out.number(next.message.number);
    const { children } = next;
    if (children.length === 1 && next.message) {
      work.push(children[0]!, " ");
      continue;
    }
    for (let index = children.length - 1; index >= 0; index -= 1) work.push(")", children[index]!, "(");
    if (next.message && children.length > 0) work.push(" ");
  }
}

/** THREAD and UID THREAD (RFC 5256 §4). */
const row = (name: string, byUid: boolean): Command =>
  command({
    name,
    states: ["selected"],
    expunges: byUid,
    parse,
    run: (session, args) => withProgress(session, () => run(session, args, byUid)),
  });
export const thread = row("THREAD", false);
export const uidThread = row("UID THREAD", true);
