/** What the operations work on, and how they fail. */
import type { z } from "zod";
import type { Bans } from "../ban/bans.ts";
import type { Configuration } from "../config/snapshot.ts";
import type { Circumstances } from "../filter/explained-message.ts";
import type { Health } from "../health/health.ts";
import type { Teacher } from "../learning/teacher.ts";
import type { MessageContent } from "../message/content.ts";
import type { QuarantineOperator } from "../quarantine/operator.ts";
import type { QueueOperator } from "../queue/operator.ts";
import type { Directories } from "../settings/directories.ts";
import type { Settings } from "../settings/schema.ts";
import type { Examination, ExaminedAccount } from "../store/examination.ts";
import type { MailStore } from "../store/mail-store.ts";
import type { ExpungedMessage, ExpungedSelection, MailboxCount } from "../store/retention.ts";
import type { FailureCode, OperationAnswer, OperationName, operations } from "./contract.ts";
import type { Metrics } from "./metrics.ts";

export interface AdminContext {
  readonly directories: Directories;
  /** The version of this software. */
  readonly version: string;
  /** Present in the running server: an answer then means that the change is in force there. */
  readonly live?: LiveServer;
  /** The settings that the running server began with: what is read only at a start is still as they say. */
  readonly startedWith?: Settings;
}

/** The part of the store that knows of expunged messages. */
export interface ExpungedMailOperator {
  expungedMessages(address: string, selection: ExpungedSelection): Promise<readonly ExpungedMessage[]>;
  undelete(address: string, selection: ExpungedSelection): Promise<readonly MailboxCount[]>;
}

/** What only a running server can do; `main.ts` supplies it. */
export interface LiveServer {
  readonly configuration: Configuration;
  readonly startedAt: Date;
  /** Sockets as they are bound, with the ports the system chose. */
  listeners(): OperationAnswer<"status">["listeners"];
  /** Faults of other rooms that an administrator should see beside those of the configuration. */
  problems?(): OperationAnswer<"status">["problems"];
  /** Self-defence. */
  readonly bans?: Bans;
  /** What a destination's hosts must offer of TLS, in words, a line each; asks the DNS. */
  explainTls?(domain: string): Promise<readonly string[]>;
  readonly queue: Pick<QueueOperator, "list" | "show" | "hold" | "release" | "retry" | "bounce" | "remove">;
  readonly quarantine?: QuarantineOperator;
  /** What the filter finds in a message, in words. */
  explainMessage?(content: MessageContent, said: Circumstances): Promise<readonly string[]>;
  readonly learning?: { readonly teacher: Teacher; readonly store: Pick<MailStore, "account"> };
  readonly metrics: Pick<Metrics, "text">;
  /** How it is; without it nothing probes it. */
  health?(): Promise<Health>;
  /** The mail of an address is gone: nothing of it may be served from memory. */
  forgetMail?(address: string): Promise<void>;
  /** Looks at an account's mail as it is served. Throws StoreError. */
  examineMail?(address: string, how: Examination): Promise<ExaminedAccount>;
  /** What of an account was expunged and can be brought back, and bringing it back (`store/retention.ts`). Throws StoreError. */
  readonly expungedMail?: ExpungedMailOperator;
  /** Lets the rooms that read files of their own (certificates, zones) look at them; an answer waits for it. */
  reload?(): Promise<unknown>;
  /** Begins to stop; resolves at once, before anything has ended. */
  stop(graceMs: number): void;
}

/** An operation that failed; the message names the object, the place and the way out. */
export class OperationError extends Error {
  override name = "OperationError";
  readonly code: FailureCode;
  constructor(code: FailureCode, message: string) {
    super(message);
    this.code = code;
  }
}

/** One row of the operations table. */
export interface Performer<N extends OperationName> {
  /** "changes" runs under the writers' lock and ends with the files in force. */
  readonly effect: "changes" | "reads";
  perform(
    request: z.output<(typeof operations)[N]["request"]>,
    context: AdminContext,
  ): Promise<OperationAnswer<N>>;
}
export type Performers<N extends OperationName = OperationName> = { readonly [K in N]: Performer<K> };
