/** VRFY (RFC 5321 §3.5.3): whether a mailbox exists is told at RCPT only, where asking is counted. */
import type { Command } from "../command.ts";
import { replies } from "../reply.ts";

export const vrfy: Command = {
  verb: "VRFY",
  modes: ["mx", "submission", "lmtp"],
  endsGroup: false,
  idle: true,
  run: (_session, argument) => (argument === "" ? replies.syntax : replies.verify),
};
