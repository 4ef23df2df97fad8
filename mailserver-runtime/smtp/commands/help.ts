/** HELP (RFC 5321 §4.1.1.8). */
import type { Command } from "../command.ts";
import { replies } from "../reply.ts";

export const help: Command = {
  verb: "HELP",
  modes: ["mx", "submission", "lmtp"],
  endsGroup: false,
  idle: true,
  run: () => replies.help,
};
