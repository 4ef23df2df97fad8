import { anyState, command, ok } from "./command.ts";

/** Most pairs of one ID (RFC 2971 §3.3). */
const MAX_PAIRS = 30;

/** ID (RFC 2971): what the client says of itself goes into the log, for whoever looks for a broken one. */
export const id = command({
  name: "ID",
  states: anyState,
  parse(cursor) {
    cursor.space();
    const pairs: [string, string][] = [];
    if (cursor.sees("(")) {
      cursor.list(() => {
        const name = cursor.string().toString("utf8");
        cursor.space();
        const value = cursor.nstring()?.toString("utf8");
        if (value !== undefined && pairs.length < MAX_PAIRS)
          pairs.push([name.slice(0, 30), value.slice(0, 200)]);
      });
    } else cursor.nstring();
    cursor.end();
    return pairs;
  },
  run(session, pairs) {
    if (pairs.length > 0)
      session.log.debug({ event: "client-id", id: Object.fromEntries(pairs) }, "client names itself");
    session.out.text('* ID ("name" "mailkeep")\r\n');
    return ok("Pleased to meet you.");
  },
});
