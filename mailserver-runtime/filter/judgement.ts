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
  const findings = eachOnce(outcomes);
  const changes = outcomes.flatMap(({ result }) => result.changes ?? []);
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
  const common = {
    findings,
    score,
    authenticationResults,
    headers,
    action,
    ...(changes.length > 0 && { changes }),
  };
  const single = outcomes.flatMap(({ result }) => result.forRecipients ?? []);
  if (single.length === 0 && holding.every((one) => one === holding[0])) return common;
  const each = message.recipients.map((recipient, index) => {
    const own = judge(holding[policies.areAlike ? 0 : index] ?? policies.standard);
    const advices = single.filter((one) => one.recipient === recipient).map(({ advice }) => advice);
    return advices.length === 0 ? own : { ...own, action: hardest([...advices, adviceFrom(own.action)]) };
  });
  return { ...common, each };
}

/** A symbol that two checks give (an engine finds R_SPF_FAIL as we do) counts once, with the weight of the first. */
function eachOnce(outcomes: readonly Outcome[]): readonly Finding[] {
  const by = new Map<string, string>();
  return outcomes.flatMap(({ result }) =>
    result.findings.map((finding) => {
      const first = by.get(finding.symbol);
      if (first === undefined) by.set(finding.symbol, finding.check);
      return first === undefined || first === finding.check || finding.score === 0
        ? finding
        : { ...finding, score: 0, reason: `${finding.reason} (counted for ${first})` };
    }),
  );
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
  const insisting = outcomes.find((o) => o.failure !== undefined && o.check.onFailure === "tempfail");
  const failed: Advice | undefined = insisting && {
    kind: "tempfail",
    status: "4.7.1",
    text: `The check ${insisting.check.name} is not available now, try again later`,
  };
  return hardest([...outcomes.map(({ result }) => result.advice), asked, failed]);
}

const hardness = ["reject", "tempfail", "quarantine", "junk"] as const;

function hardest(advices: readonly (Advice | undefined)[]): Action {
  for (const kind of hardness) {
    const advice = advices.find((one) => one?.kind === kind);
    if (advice !== undefined) return actionOf(advice);
  }
  return { kind: "accept" };
}
function actionOf(advice: Advice): Action {
  if (advice.kind === "reject") return { ...advice, code: advice.code ?? 550 };
  return advice.kind === "tempfail" ? { ...advice, code: advice.code ?? 451 } : advice;
}
const adviceFrom = (action: Action): Advice | undefined => (action.kind === "accept" ? undefined : action);
