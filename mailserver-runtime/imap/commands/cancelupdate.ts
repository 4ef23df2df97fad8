import type { Cursor } from "../grammar/cursor.ts";
import { command, ok } from "./command.ts";

function tags(cursor: Cursor): string[] {
  const found: string[] = [];
  do {
    cursor.space();
    found.push(cursor.string().toString("latin1"));
  } while (!cursor.atEnd);
  return found;
}

/** CANCELUPDATE (RFC 5267 §4.4): searches that go on end. */
export const cancelupdate = command({
  name: "CANCELUPDATE",
  states: ["selected"],
  parse: tags,
  run(session, wanted) {
    for (const tag of wanted) session.contexts?.cancel(tag);
    return ok("No more updates.");
  },
});
