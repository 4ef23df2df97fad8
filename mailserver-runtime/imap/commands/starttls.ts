import { FatalError } from "../command-reader.ts";
import { bad, command, nothing, ok } from "./command.ts";

/**
 * STARTTLS (RFC 9051 §6.2.1).
 *
 * Bytes that came behind the command in plain text would be read as if they had come through TLS: the
 * injection of CVE-2011-0411. A client has no reason to send any, so the connection ends.
 */
export const starttls = command({
  name: "STARTTLS",
  states: ["not-authenticated"],
  parse: nothing,
  run(session) {
    const { connection } = session;
    if (connection.tls) return bad("This connection has TLS already.");
    if (session.dependencies.startTls === false) return bad("TLS is not available here.");
    if (connection.buffered() > 0) throw new FatalError("Bytes after STARTTLS; this looks like an attack.");
    session.next = async () => {
      // Between the answer and the handshake a client says nothing but its ClientHello.
      await connection.startTls();
    };
    return ok("Begin TLS now.");
  },
});
