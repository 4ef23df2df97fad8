/** What a command is; each has a file of its own in `commands/`. */
import type { Reply } from "./reply.ts";
import type { Session, SmtpMode } from "./session.ts";

export interface Command {
  readonly verb: string;
  readonly modes: readonly SmtpMode[];
  /** Must be the last of a pipelined group (RFC 2920 §3.1): nothing may have arrived behind it. */
  readonly endsGroup: boolean;
  /** Leads to no mail by itself: too many of these are an abuse. */
  readonly idle: boolean;
  /** Carries out the command. LMTP answers one message with a reply for each recipient. */
  run(session: Session, argument: string): Reply | readonly Reply[] | Promise<Reply | readonly Reply[]>;
}
