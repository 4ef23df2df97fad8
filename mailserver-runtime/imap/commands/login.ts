import type { Cursor } from "../grammar/cursor.ts";
import { logIn, privacyRequired, verify } from "../log-in.ts";
import { command } from "./command.ts";

const utf8 = (cursor: Cursor) => cursor.astring().toString("utf8");

/** LOGIN (RFC 9051 §6.2.3); refused without TLS, as LOGINDISABLED says. */
export const login = command({
  name: "LOGIN",
  states: ["not-authenticated"],
  parse(cursor) {
    cursor.space();
    const username = utf8(cursor);
    cursor.space();
    const password = utf8(cursor);
    cursor.end();
    return { username, password };
  },
  async run(session, { username, password }) {
    if (!session.connection.tls) return privacyRequired;
    return logIn(session, await verify(session, { username, password }));
  },
});
