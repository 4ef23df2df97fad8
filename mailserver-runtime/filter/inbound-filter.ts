/**
 * The inbound filter: runs the checks of one message side by side, each within its time, and turns what
 * they found into one verdict. It never throws for what a message, a name server or a check does; a check
 * that fails is a finding, and its stated behaviour decides whether the mail goes on or comes back later.
 */
import type { MailauthResolver } from "../dns/mailauth-resolver.ts";
import type { Log } from "../net/log.ts";
import type { Check, CheckResult } from "./check.ts";
import { arcCheck } from "./checks/arc.ts";
import { dkimCheck } from "./checks/dkim.ts";
import { dmarcCheck } from "./checks/dmarc.ts";
import { spfCheck } from "./checks/spf.ts";
import { factsOf } from "./facts.ts";
import type { Finding, InboundFilter, InboundMessage, Verdict } from "./pipeline.ts";

/** The checks of a server, in the order their results stand in Authentication-Results. */
export const checks: readonly Check[] = [dkimCheck, spfCheck, arcCheck, dmarcCheck];

export interface InboundFilterOptions {
  /** The server's name, as SPF macros and results use it. */
  readonly hostname: () => string;
  readonly resolver: MailauthResolver;
  readonly log: Log;
  readonly checks?: readonly Check[];
}

export function createInboundFilter(options: InboundFilterOptions): InboundFilter {
  const active = options.checks ?? checks;
  return {
    async inspect(message) {
      const facts = factsOf(message, options.hostname(), options.resolver);
      const times: Record<string, number> = {};
      const results = await Promise.all(
        active.map(async (check) => {
          const begin = performance.now();
          const outcome = await runWithin(check, message, facts);
          times[check.name] = Math.round((performance.now() - begin) * 10) / 10;
          if (outcome.failure !== undefined)
            options.log.warn({ event: "check-failed", check: check.name, reason: outcome.failure });
          return { check, ...outcome };
        }),
      );
      return verdict(results, times);
    },
  };
}

interface Outcome {
  readonly check: Check;
  readonly result: CheckResult;
  readonly failure: string | undefined;
}

async function runWithin(
  check: Check,
  message: InboundMessage,
  facts: Parameters<Check["run"]>[1],
): Promise<{ result: CheckResult; failure: string | undefined }> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<undefined>((resolve) => {
    timer = setTimeout(resolve, check.timeLimit, undefined);
  });
  try {
    const result = await Promise.race([check.run(message, facts), late]);
    return result === undefined
      ? failed(check, `no result within ${check.timeLimit / 1000} s`)
      : { result, failure: undefined };
  } catch (error) {
    return failed(check, error instanceof Error ? error.message : String(error));
  } finally {
    clearTimeout(timer);
  }
}

function failed(check: Check, failure: string): { result: CheckResult; failure: string } {
  const finding: Finding = {
    check: check.name,
    symbol: `${check.name.toUpperCase()}_CHECK_FAILED`,
    score: 0,
    reason: failure,
  };
  return { result: { findings: [finding] }, failure };
}

/** Policy: the hardest advice wins; a failed check that insists makes the client come back. */
function verdict(outcomes: readonly Outcome[], times: Record<string, number>): Verdict {
  const findings = outcomes.flatMap((outcome) => outcome.result.findings);
  const score = Math.round(findings.reduce((sum, finding) => sum + finding.score, 0) * 100) / 100;
  const authenticationResults = outcomes.flatMap((outcome) => outcome.result.authenticationResults ?? []);
  return { findings, score, authenticationResults, action: decide(outcomes), times };
}

function decide(outcomes: readonly Outcome[]): Verdict["action"] {
  for (const { result } of outcomes)
    if (result.advice?.kind === "reject")
      return { kind: "reject", code: 550, status: result.advice.status, text: result.advice.text };
  const insisting = outcomes.find((o) => o.failure !== undefined && o.check.onFailure === "tempfail");
  if (insisting)
    return {
      kind: "tempfail",
      code: 451,
      status: "4.7.1",
      text: `The check ${insisting.check.name} is not available now, try again later`,
    };
  for (const { result } of outcomes)
    if (result.advice?.kind === "junk") return { kind: "junk", reason: result.advice.reason };
  return { kind: "accept" };
}
