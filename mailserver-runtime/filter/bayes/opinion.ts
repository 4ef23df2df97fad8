/**
 * How much a message looks like spam, from what a model has counted: naive Bayes with a damped sum.
 *
 * For each known feature the probability that a message with it is spam (Robinson's estimate, with a light
 * prior of one half); features near one half say nothing and are left out. Naive Bayes
 * would add all log-odds, as if every pair of words were a witness of its own, and would be certain of
 * everything. They are not independent, so each kind of evidence is divided by the square root of its number,
 * and the kinds are added (docs/decisions has the measurement beside Fisher's chi-square).
 */
import type { Model } from "./model.ts";
import { type Features, featureKinds } from "./tokens.ts";

/** Before so many messages of each class are learnt, a model has no say. */
export const MIN_MESSAGES = 200;
/** How many observations the prior is worth. */
const PRIOR_WEIGHT = 0.03;
/** A feature whose probability is nearer to one half than this is left out. */
const MIN_DEVIATION = 0.2;

/** Positive speaks for spam, negative for ham; undefined where the model has not learnt enough. */
export function evidenceOf(
  features: Features,
  model: Model,
  minMessages: number = MIN_MESSAGES,
): number | undefined {
  const { spam, ham } = model.messages;
  if (spam < minMessages || ham < minMessages) return undefined;
  let evidence = 0;
  for (const kind of featureKinds) {
    let sum = 0;
    let count = 0;
    model.look(features[kind], (inSpam, inHam) => {
      const seen = inSpam + inHam;
      if (seen === 0) return;
      const spamRate = inSpam / spam;
      const share = spamRate / (spamRate + inHam / ham);
      const probability = (PRIOR_WEIGHT * 0.5 + seen * share) / (PRIOR_WEIGHT + seen);
      if (Math.abs(probability - 0.5) < MIN_DEVIATION) return;
      sum += Math.log(probability / (1 - probability));
      count += 1;
    });
    if (count > 0) evidence += sum / Math.sqrt(count);
  }
  return evidence;
}
