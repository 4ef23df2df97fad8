/** The classifier's opinion as a score. It has none before it has learnt enough (bayes/opinion.ts). */
import type { Classifier } from "../bayes/classifier.ts";
import type { Check, CheckResult } from "../check.ts";

/**
 * Evidence → score, linear between the points. The third point is where the cost of a lost ham, counted as
 * nine of a missed spam, is least in cross-validation of the whole verdict inside the earlier half of the corpus
 * (docs/decisions/0034): there the classifier alone reaches Junk.
 */
const scale: readonly (readonly [evidence: number, score: number])[] = [
  [-20, -3],
  [0, 0],
  [24, 6],
  [40, 8],
];

export function bayesCheck(classifier: Pick<Classifier, "evidence">): Check {
  return {
    name: "bayes",
    timeLimit: 10_000,
    onFailure: "accept",
    async run(message, facts): Promise<CheckResult> {
      const [only, ...others] = message.recipients;
      const evidence = await classifier.evidence(
        await facts.readable(),
        others.length === 0 ? only : undefined,
      );
      if (evidence === undefined) return { findings: [] };
      const score = scoreOf(evidence);
      const reason = `the words and the build of this message are ${score >= 0 ? "spam's" : "ham's"} (evidence ${evidence.toFixed(1)})`;
      return {
        findings: [{ check: "bayes", symbol: score >= 0 ? "BAYES_SPAM" : "BAYES_HAM", score, reason }],
      };
    },
  };
}

/** The score of that much evidence, with two decimals. */
export function scoreOf(evidence: number): number {
  const first = scale[0]!;
  if (evidence <= first[0]) return first[1];
  for (let at = 1; at < scale.length; at += 1) {
    const [left, low] = scale[at - 1]!;
    const [right, high] = scale[at]!;
    if (evidence <= right)
      return Math.round((low + ((evidence - left) / (right - left)) * (high - low)) * 100) / 100;
  }
  return scale[scale.length - 1]![1];
}
