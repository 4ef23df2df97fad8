/**
 * STARTTLS (RFC 3207). The session starts TLS after this reply has left; what the client said before is
 * forgotten, and bytes that came behind the command were refused before this runs.
 */
import type { Command } from "../command.ts";
import { replies } from "../reply.ts";

export const starttls: Command = {
  verb: "STARTTLS",
  modes: ["mx", "submission", "lmtp"],
  endsGroup: true,
  idle: true,
  async run(session, argument) {
    if (argument !== "") return replies.noParameters;
    if (!session.services.offersTls) return replies.notImplemented;
    if (session.connection.tls !== undefined) return replies.tlsActive;
    await session.reset();
    return replies.startTls;
  },
};
