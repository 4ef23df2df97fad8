/**
 * Fields in which an engine writes whether a message is spam (X-Spam-Flag and its kin): what they say counts as advice, and
 * the fields themselves are left to us, so that a reader finds one verdict and not two.
 */
import type { MessageChange } from "../changes/message-change.ts";
import type { CheckResult } from "../check.ts";

export function withoutSpamFields(engine: string, result: CheckResult): CheckResult {
  const { changes = [], ...others } = result;
  const kept = changes.filter((change) => !isSpamField(change));
  if (kept.length === changes.length) return result;
  const isSpam = changes.some(
    (change) => isSpamField(change) && "value" in change && saysSpam(change.name, change.value ?? ""),
  );
  return {
    ...others,
    ...(kept.length > 0 && { changes: kept }),
    ...(isSpam &&
      result.advice === undefined && {
        advice: { kind: "junk", reason: `${engine} marks it as spam` } as const,
      }),
  };
}

const isSpamField = (change: MessageChange): boolean =>
  "name" in change && /^x-spam(?:-|$)/i.test(change.name);
const saysSpam = (name: string, value: string): boolean =>
  /^x-spam(?:-flag)?$/i.test(name) && /^\s*yes\b/i.test(value);
