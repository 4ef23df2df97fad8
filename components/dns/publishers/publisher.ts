/**
 * What a publisher is: a pure function from a plan to what has to exist somewhere for the plan to be public. The
 * resources are made from its result elsewhere, so that every publisher can be tested by its output alone.
 */
import type { PlannedRecord, RecordPlan } from "../plan-types.ts";

/** What every publisher says besides its own result. */
export interface Published {
  /** Records the publisher cannot write, because no zone it was given holds them. The program must tell. */
  readonly unplaced: readonly PlannedRecord[];
}

export type Publisher<Options, Result extends Published> = (plan: RecordPlan, options: Options) => Result;
