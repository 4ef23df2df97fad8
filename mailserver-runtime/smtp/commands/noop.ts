/** NOOP (RFC 5321 §4.1.1.9); a parameter is ignored. */
import type { Command } from "../command.ts";
import { replies } from "../reply.ts";

export const noop: Command = {
  verb: "NOOP",
  modes: ["mx", "submission", "lmtp"],
  endsGroup: false,
  idle: true,
  run: () => replies.ok,
};
