/**
 * From what the checks found to what happens to the message for each recipient.
 *
 * The hardest of what the checks advise and what the score asks for wins. A sender on an allow list is not judged by his
 * score, but a virus or a DMARC policy still counts; one on a block list is refused. A failed check that insists makes the
 * client come back.
 */
import type { Advice, Check, CheckResult, Facts } from "./check.ts";
import { listedSender, provenNames } from "./listed-sender.ts";
import type { Action, Finding, InboundMessage, RecipientVerdict, Verdict } from "./pipeline.ts";
import { adviceOf, spamHeaders } from "./policy.ts";
import { type PolicySettings, type RecipientPolicy, recipientPolicies } from "./recipient-policies.ts";
import { allowedBy, blockedBy, type ListedSender, type ProvenNames } from "./sender-lists.ts";

export interface Outcome {
  readonly check: Check;
  readonly result: CheckResult;
  readonly failure: string | undefined;
}

export async function verdictOf(
  outcomes: readonly Outcome[],
  message: InboundMessage,
  facts: Facts,
  settings: PolicySettings,
): Promise<Omit<Verdict, "times">> {
  const findings = outcomes.flatMap((outcome) => outcome.result.findings);
  const score = Math.round(findings.reduce((sum, finding) => sum + finding.score, 0) * 100) / 100;
  const authenticationResults = outcomes.flatMap((outcome) => outcome.result.authenticationResults ?? []);
  const policies = recipientPolicies(settings);
  const holding = policies.areAlike
    ? [policies.standard]
    : message.recipients.map((recipient) => policies.of(recipient));
  const isListed = holding.some(({ lists }) => lists.length > 0);
  const sender = isListed ? await listedSender(message, facts) : undefined;
  const proven = sender && (await provenNames(sender, facts));
  const made = new Map<RecipientPolicy, RecipientVerdict>();
  const judge = (own: RecipientPolicy): RecipientVerdict => {
    const before = made.get(own);
    if (before !== undefined) return before;
    const listing = sender && proven ? listingOf(own, sender, proven) : undefined;
    const judged = judgement(outcomes, listing === undefined ? findings : [...findings, listing], score, own);
    made.set(own, judged);
    return judged;
  };
  const { action, headers } = judge(holding[0] ?? policies.standard);
  const common = { findings, score, authenticationResults, headers, action };
  return made.size === 1 && holding.every((one) => one === holding[0])
    ? common
    : { ...common, each: holding.map(judge) };
}

/** What the nearest list that knows the sender says of him. */
function listingOf(
  { lists }: RecipientPolicy,
  sender: ListedSender,
  proven: ProvenNames,
): Finding | undefined {
  for (const { allow, block } of lists) {
    const allowed = allowedBy(allow, sender, proven);
    if (allowed !== undefined)
      return { check: "lists", symbol: ALLOWED, score: 0, reason: `${allowed} is on an allow list` };
    const blocked = blockedBy(block, sender);
    if (blocked !== undefined)
      return { check: "lists", symbol: BLOCKED, score: 0, reason: `${blocked} is on a block list` };
  }
  return undefined;
}
const ALLOWED = "SENDER_ALLOWED";
const BLOCKED = "SENDER_BLOCKED";

function judgement(
  outcomes: readonly Outcome[],
  findings: readonly Finding[],
  score: number,
  { policy }: RecipientPolicy,
): RecipientVerdict {
  const listing = findings.at(-1)?.symbol;
  const asked = listing === ALLOWED ? undefined : listing === BLOCKED ? blocked : adviceOf(score, policy);
  const action = decide(outcomes, asked);
  const isSpam = action.kind === "junk" || action.kind === "quarantine";
  return { action, headers: spamHeaders(findings, score, isSpam, policy) };
}
const blocked: Advice = {
  kind: "reject",
  status: "5.7.1",
  text: "The recipient does not take mail from this sender",
};

function decide(outcomes: readonly Outcome[], asked: Advice | undefined): Action {
  const advices = [...outcomes.map(({ result }) => result.advice), asked];
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
  return (
    advices.find((advice) => advice?.kind === "quarantine") ??
    advices.find((advice) => advice?.kind === "junk") ?? { kind: "accept" }
  );
}
