/**
 * Engines: other programs that look at mail (rspamd, spamd, amavisd-new, clamd, milters), each by its own protocol. To the
 * filter an engine is a check like any other (DESIGN D8): it has a time limit, a stated behaviour when it fails, and it
 * gives findings.
 *
 * An engine is asked over a connection of its own for one message, and gets the bytes in pieces, from the file where they
 * lie in one. Nothing it answers is trusted: every answer has a bound, what does not follow the protocol is a failure, and
 * a failure never holds mail longer than the time limit. One that fails again and again is left alone for a while
 * (`rest.ts`). It proposes changes of the message (changes/); it never makes them.
 */
import type { MessageContent } from "../../message/content.ts";
import type { Headers } from "../../message/headers.ts";
import type { SpoolOptions } from "../../message/spooled-content.ts";
import type { MessageClass } from "../bayes/model.ts";
import type { CheckResult, Facts } from "../check.ts";
import type { InboundMessage } from "../pipeline.ts";

/** One message as an engine is asked about it. */
export interface Question {
  readonly message: InboundMessage;
  /** What it looks at: the message as it came, or as an engine before it has left it. */
  readonly content: MessageContent;
  readonly headers: Headers;
  readonly facts: Facts;
  /** When an answer is too late, by `performance.now()`. */
  readonly deadline: number;
  /** Where a body lies that the engine writes anew. */
  readonly spool: SpoolOptions;
}
export interface Engine {
  /** Throws EngineError where there is no answer that means anything. */
  examine(question: Question): Promise<CheckResult>;
}
/** An engine that learns. */
export interface Learner {
  readonly name: string;
  /** Throws EngineError. */
  learn(content: MessageContent, as: MessageClass): Promise<void>;
}

export type EngineFault =
  /** Nobody listens there. */
  | "unreachable"
  /** It took longer than it may. */
  | "late"
  /** It ended the connection in the middle. */
  | "gone"
  /** What it said is not its protocol, or has no end. */
  | "nonsense"
  /** It says that it cannot do what it was asked. */
  | "unable"
  /** It failed so often that it is not asked just now. */
  | "resting";
export class EngineError extends Error {
  readonly fault: EngineFault;
  constructor(fault: EngineFault, message: string) {
    super(message);
    this.name = "EngineError";
    this.fault = fault;
  }
}
