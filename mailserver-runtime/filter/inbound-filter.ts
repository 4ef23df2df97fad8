/**
 * The inbound filter: runs the checks of one message side by side, each within its time, and turns what
 * they found into one verdict. It never throws for what a message, a name server or a check does; a check
 * that fails is a finding, and its stated behaviour decides whether the mail goes on or comes back later.
 */
import type { MailauthResolver } from "../dns/mailauth-resolver.ts";
import type { Log } from "../net/log.ts";
import type { Classifier } from "./bayes/classifier.ts";
import type { Advice, Check, CheckResult, Facts } from "./check.ts";
import { arcCheck } from "./checks/arc.ts";
import { attachmentsCheck } from "./checks/attachments.ts";
import { bayesCheck } from "./checks/bayes.ts";
import { dkimCheck } from "./checks/dkim.ts";
import { dmarcCheck } from "./checks/dmarc.ts";
import { eicarCheck } from "./checks/eicar.ts";
import { gtubeCheck } from "./checks/gtube.ts";
import { headerSanityCheck } from "./checks/header-sanity.ts";
import { heloSanityCheck } from "./checks/helo-sanity.ts";
import { linkSanityCheck } from "./checks/link-sanity.ts";
import { mimeSanityCheck } from "./checks/mime-sanity.ts";
import { rulesCheck } from "./checks/rules.ts";
import { spfCheck } from "./checks/spf.ts";
import { unicodeTricksCheck } from "./checks/unicode-tricks.ts";
import { factsOf } from "./facts.ts";
import type { Finding, InboundFilter, InboundMessage, Verdict } from "./pipeline.ts";
import { adviceOf, type FilterPolicy, spamHeaders, standardPolicy } from "./policy.ts";
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
  readonly resolver: MailauthResolver;
  readonly log: Log;
  readonly checks?: readonly Check[];
  /** Its opinion is one more check; without it mail is judged by the others. */
  readonly classifier?: Pick<Classifier, "evidence">;
  /** The administrator's rules of now (rules/load-rules.ts). */
  readonly rules?: () => RuleFile;
  /** The thresholds of now; default DMS's. */
  readonly policy?: () => FilterPolicy;
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
      const found = verdict(results, times, options.policy?.() ?? standardPolicy);
      for (const observe of options.observers ?? [])
        await observe(message, facts, found).catch((error: unknown) =>
          options.log.error({ event: "observer-failed", error: String(error) }),
        );
      return found;
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

/** The hardest of what the checks advise and the score asks for; a failed check that insists makes the client come back. */
function verdict(outcomes: readonly Outcome[], times: Record<string, number>, policy: FilterPolicy): Verdict {
  const findings = outcomes.flatMap((outcome) => outcome.result.findings);
  const score = Math.round(findings.reduce((sum, finding) => sum + finding.score, 0) * 100) / 100;
  const authenticationResults = outcomes.flatMap((outcome) => outcome.result.authenticationResults ?? []);
  const action = decide(outcomes, adviceOf(score, policy));
  const headers = spamHeaders(findings, score, action.kind === "junk", policy);
  return { findings, score, authenticationResults, headers, action, times };
}

function decide(outcomes: readonly Outcome[], byScore: Advice | undefined): Verdict["action"] {
  const advices = [...outcomes.map(({ result }) => result.advice), byScore];
  const reject = advices.find((advice) => advice?.kind === "reject");
  if (reject?.kind === "reject")
    return { kind: "reject", code: 550, status: reject.status, text: reject.text };
  const insisting = outcomes.find((o) => o.failure !== undefined && o.check.onFailure === "tempfail");
  if (insisting)
    return {
      kind: "tempfail",
      code: 451,
      status: "4.7.1",
      text: `The check ${insisting.check.name} is not available now, try again later`,
    };
  const junk = advices.find((advice) => advice?.kind === "junk");
  return junk?.kind === "junk" ? { kind: "junk", reason: junk.reason } : { kind: "accept" };
}
