/** HELO (RFC 5321 §4.1.1.1): a session without extensions. */
import type { Command } from "../command.ts";
import { replies, reply } from "../reply.ts";
import { greeted } from "./hello.ts";

export const helo: Command = {
  verb: "HELO",
  modes: ["mx", "submission"],
  endsGroup: true,
  idle: true,
  async run(session, argument) {
    if (!(await greeted(session, argument))) return replies.syntax;
    session.extended = false;
    return reply(250, undefined, session.services.snapshot().settings.hostname);
  },
};
