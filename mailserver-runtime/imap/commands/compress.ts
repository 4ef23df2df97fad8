import { CompressedConnection } from "../compressed-connection.ts";
import { bad, command, loggedIn, no, ok } from "./command.ts";

/** COMPRESS (RFC 4978 §3): from behind the tagged line on, both sides speak DEFLATE. */
export const compress = command({
  name: "COMPRESS",
  states: loggedIn,
  parse(cursor) {
    cursor.space();
    const mechanism = cursor.keyword();
    cursor.end();
    return mechanism;
  },
  run(session, mechanism) {
    if (mechanism !== "DEFLATE") return bad("COMPRESS knows DEFLATE alone.");
    if (session.compressed) return no("DEFLATE is active already.", "COMPRESSIONACTIVE");
    session.next = async () => session.speakThrough(new CompressedConnection(session.connection));
    return ok("Compressed from here on.");
  },
});
