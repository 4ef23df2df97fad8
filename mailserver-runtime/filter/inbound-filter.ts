/**
 * The inbound filter: runs the checks of one message side by side, each within its time, and turns what
 * they found into one verdict. It never throws for what a message, a name server or a check does; a check
 * that fails is a finding, and its stated behaviour decides whether the mail goes on or comes back later.
 */
import type { Resolver } from "../dns/resolver.ts";
import type { Log } from "../net/log.ts";
import type { Classifier } from "./bayes/classifier.ts";
import type { Check, CheckResult, Facts } from "./check.ts";
import { arcCheck } from "./checks/arc.ts";
import { attachmentsCheck } from "./checks/attachments.ts";
import { bayesCheck } from "./checks/bayes.ts";
import { dkimCheck } from "./checks/dkim.ts";
import { dmarcCheck } from "./checks/dmarc.ts";
import { eicarCheck } from "./checks/eicar.ts";
import { gtubeCheck } from "./checks/gtube.ts";
import { headerSanityCheck } from "./checks/header-sanity.ts";
import { heloSanityCheck } from "./checks/helo-sanity.ts";
import { htmlSignsCheck } from "./checks/html-signs.ts";
import { linkSanityCheck } from "./checks/link-sanity.ts";
import { mimeSanityCheck } from "./checks/mime-sanity.ts";
import { rulesCheck } from "./checks/rules.ts";
import { senderSignsCheck } from "./checks/sender-signs.ts";
import { spfCheck } from "./checks/spf.ts";
import { unicodeTricksCheck } from "./checks/unicode-tricks.ts";
import { wordingCheck } from "./checks/wording.ts";
import { EngineError } from "./engines/engine.ts";
import { factsOf } from "./facts.ts";
import { type Outcome, verdictOf } from "./judgement.ts";
import type { InboundFilter, InboundMessage, Verdict } from "./pipeline.ts";
import { standardPolicy } from "./policy.ts";
import type { PolicySettings } from "./recipient-policies.ts";
import type { RuleFile } from "./rules/rule-file.ts";

/** What a message itself shows, without asking anybody. */
export const contentChecks: readonly Check[] = [
  gtubeCheck,
  eicarCheck,
  headerSanityCheck,
  mimeSanityCheck,
  linkSanityCheck,
  attachmentsCheck,
  unicodeTricksCheck,
  wordingCheck,
  senderSignsCheck,
  htmlSignsCheck,
];
/** The checks of a server, in the order their results stand in Authentication-Results. */
export const checks: readonly Check[] = [
  dkimCheck,
  spfCheck,
  arcCheck,
  dmarcCheck,
  heloSanityCheck,
  ...contentChecks,
];

export interface InboundFilterOptions {
  /** The server's name, as SPF macros and results use it. */
  readonly hostname: () => string;
  readonly resolver: Resolver;
  readonly log: Log;
  readonly checks?: readonly Check[];
  /** Its opinion is one more check; without it mail is judged by the others. */
  readonly classifier?: Pick<Classifier, "evidence">;
  /** The administrator's rules of now (rules/load-rules.ts). */
  readonly rules?: () => RuleFile;
  /** The thresholds and lists of now; default DMS's thresholds, and no lists. */
  readonly policy?: () => PolicySettings;
  /** The engines of now (engines/engine-checks.ts). */
  readonly engines?: () => readonly Check[];
  readonly observers?: readonly Observer[];
}

/** Sees each message with its facts and its verdict; what it does, and how it fails, changes neither. */
export type Observer = (message: InboundMessage, facts: Facts, verdict: Verdict) => Promise<void>;

export function createInboundFilter(options: InboundFilterOptions): InboundFilter {
  const active = [
    ...(options.checks ?? checks),
    ...(options.rules === undefined ? [] : [rulesCheck(options.rules)]),
    ...(options.classifier === undefined ? [] : [bayesCheck(options.classifier)]),
  ];
  return {
    async inspect(message) {
      const facts = factsOf(message, options.hostname(), options.resolver);
      const outcomes = await runAll([...active, ...(options.engines?.() ?? [])], message, facts);
      const times: Record<string, number> = {};
      for (const { check, failure, isResting, milliseconds } of outcomes) {
        if (milliseconds >= 1) times[check.name] = Math.round(milliseconds * 10) / 10;
        // That an engine rests was said when it failed.
        if (failure !== undefined && !isResting)
          options.log.warn({ event: "check-failed", check: check.name, reason: failure });
      }
      const settings = options.policy?.() ?? standardPolicy;
      const found = { ...(await verdictOf(outcomes, message, facts, settings)), times };
      for (const observe of options.observers ?? [])
        await observe(message, facts, found).catch((error: unknown) =>
          options.log.error({ event: "observer-failed", error: String(error) }),
        );
      return found;
    },
  };
}

interface TimedOutcome extends Outcome {
  readonly milliseconds: number;
  readonly isResting: boolean;
}

/** Runs the checks side by side. One timer watches all of them: most messages are judged before it could fire. */
function runAll(
  active: readonly Check[],
  message: InboundMessage,
  facts: Facts,
): Promise<readonly TimedOutcome[]> {
  return new Promise((resolve) => {
    const begin = performance.now();
    const outcomes: TimedOutcome[] = new Array(active.length);
    const pending = new Set(active.keys());
    let timer: NodeJS.Timeout | undefined;
    const settle = (index: number, result: CheckResult, failure?: string, isResting = false): void => {
      if (!pending.delete(index)) return;
      const milliseconds = performance.now() - begin;
      outcomes[index] = { check: active[index]!, result, failure, isResting, milliseconds };
      if (pending.size > 0) return;
      clearTimeout(timer);
      resolve(outcomes);
    };
    const fail = (index: number, failure: string, isResting = false): void =>
      settle(index, failed(active[index]!, failure), failure, isResting);
    const endLate = (): void => {
      const elapsed = performance.now() - begin;
      for (const index of pending) {
        const { timeLimit } = active[index]!;
        if (timeLimit <= elapsed) fail(index, `no result within ${timeLimit / 1000} s`);
      }
      watch();
    };
    const watch = (): void => {
      if (pending.size === 0) return;
      const next = Math.min(...[...pending].map((index) => active[index]!.timeLimit));
      timer = setTimeout(endLate, Math.max(1, next - (performance.now() - begin)));
    };
    active.forEach((check, index) => {
      run(check, message, facts).then(
        (result) => settle(index, result),
        (error) =>
          fail(
            index,
            error instanceof Error ? error.message : String(error),
            error instanceof EngineError && error.fault === "resting",
          ),
      );
    });
    if (active.length === 0) resolve(outcomes);
    watch();
  });
}

/** Async, so that a check that throws at once is one that rejects. */
async function run(check: Check, message: InboundMessage, facts: Facts): Promise<CheckResult> {
  return check.run(message, facts);
}

function failed(check: Check, failure: string): CheckResult {
  const symbol = `${check.name.toUpperCase()}_CHECK_FAILED`;
  return { findings: [{ check: check.name, symbol, score: 0, reason: failure }] };
}
