/** A submitted message before its account's limits: asked, written to the log, and told to the administrator. */
import type { Session, Transaction } from "../session.ts";
import { limitAlert } from "./limit-alert.ts";
import type { Admission } from "./limiter.ts";
import { limitsOf } from "./submission-limits.ts";

export async function withinLimits(
  session: Session,
  { id, snapshot, recipients }: Transaction,
  message: { readonly account: string; readonly at: number },
): Promise<Admission> {
  const { limiter, reenter } = session.services;
  if (limiter === undefined) return { kind: "free" };
  const { account, at } = message;
  const admission = await limiter.admit({
    account,
    at,
    recipients: recipients.map(({ address }) => address),
    limits: limitsOf(snapshot.settings, account),
  });
  if (admission.kind === "free") return admission;
  const { kind, because } = admission;
  session.log.warn(
    {
      event: "submission-limit",
      id,
      account,
      verdict: kind,
      reason: because,
      until:
        kind === "held" && admission.until !== undefined
          ? new Date(admission.until).toISOString()
          : undefined,
      recipients: recipients.length,
    },
    "an account sends more than its limit",
  );
  if (admission.alert) {
    const about = { account, hostname: snapshot.settings.hostname, now: session.now() };
    await reenter?.(limitAlert(admission, about)).catch((error: unknown) =>
      session.log.error({ event: "alert-failed", id, account, err: error }, "cannot tell postmaster"),
    );
  }
  return admission;
}

/** The client keeps the message and will come with it again: only then it counts. */
export async function notKept(session: Session, { id }: Transaction, admission: Admission): Promise<void> {
  if (admission.kind === "refused" || admission.counted === undefined) return;
  await session.services.limiter
    ?.giveBack(admission.counted)
    .catch((error: unknown) => session.log.warn({ event: "count-not-given-back", id, err: error }));
}
