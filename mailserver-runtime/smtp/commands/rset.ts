/** RSET (RFC 5321 §4.1.1.5). */
import type { Command } from "../command.ts";
import { replies } from "../reply.ts";

export const rset: Command = {
  verb: "RSET",
  modes: ["mx", "submission", "lmtp"],
  endsGroup: false,
  idle: true,
  async run(session, argument) {
    if (argument !== "") return replies.noParameters;
    await session.reset();
    return replies.ok;
  },
};
