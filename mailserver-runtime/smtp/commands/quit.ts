/** QUIT (RFC 5321 §4.1.1.10). */
import type { Command } from "../command.ts";
import { replies } from "../reply.ts";

export const quit: Command = {
  verb: "QUIT",
  modes: ["mx", "submission", "lmtp"],
  endsGroup: false,
  idle: false,
  run: (_session, argument) => (argument === "" ? replies.bye : replies.noParameters),
};
