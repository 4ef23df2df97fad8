/** How far the orders of one declaration are, as people are told: pure. */
import type { AcmeState } from "../tls/acme/renewals.ts";

export interface AcmeProgress {
  readonly issued?: boolean;
  /** ISO 8601. */
  readonly nextOrder?: string;
  readonly lastError?: string;
}

/** Nothing where no authority by ACME is declared. Where there are several, it is issued when all are. */
export function acmeProgress(states: readonly AcmeState[]): AcmeProgress {
  if (states.length === 0) return {};
  const open = states.filter(({ issued }) => !issued);
  const next = Math.min(...(open.length > 0 ? open : states).map(({ dueAt }) => dueAt));
  const lastError = states.find(({ status }) => status.lastError !== undefined)?.status.lastError;
  return {
    issued: open.length === 0,
    nextOrder: new Date(Math.max(next, 0)).toISOString(),
    ...(lastError !== undefined && { lastError }),
  };
}
