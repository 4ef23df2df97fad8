/** How much one account may send, from the settings; the account's own row goes before everybody's. */
import type { Settings } from "../../settings/schema.ts";

export type SubmissionLimits = Settings["submission"]["limits"];

export function limitsOf({ submission }: Settings, account: string): SubmissionLimits {
  return { ...submission.limits, ...submission.accountLimits[account] };
}

/** Largest message in bytes that a client may send; `account` where somebody has logged in. */
export function messageSizeLimit(settings: Settings, account: string | undefined): number {
  const general = settings.message.sizeLimit;
  if (account === undefined) return general;
  return Math.min(general, limitsOf(settings, account).messageBytes || general);
}
