/**
 * What becomes of a message on each of its ways, after the filter has judged it for each recipient (DESIGN D8).
 *
 * Pure. Who refuses while others accept has the message in the quarantine instead: the client can only be told one
 * thing, and no bounce is made after a 250. Spam does not leave this host, since the next one would hold it against us:
 * a forward of it goes to the quarantine as well.
 */
import type { Action, ResultField, Verdict } from "../filter/pipeline.ts";
import type { Route } from "../routing/route.ts";
import type { AcceptedRecipient } from "./session.ts";

export type Way = Exclude<Route, { readonly kind: "refused" }>;
export interface Fate {
  readonly recipient: AcceptedRecipient;
  readonly route: Way;
  readonly goes: "through" | "to junk" | "to quarantine";
  /** What the filter writes into this copy. */
  readonly headers: readonly ResultField[] | undefined;
  /** Why it does not just go through. */
  readonly reason: string;
}
export type Fates =
  /** The action that says what the client is told; "junk" where only forwards of spam were wanted. */
  | { readonly kind: "refused"; readonly by: Exclude<Action, { readonly kind: "accept" | "quarantine" }> }
  | { readonly kind: "taken"; readonly fates: readonly Fate[] };

const accepted: Action = { kind: "accept" };

export function fatesOf(recipients: readonly AcceptedRecipient[], verdict: Verdict | undefined): Fates {
  const common = verdict?.action ?? accepted;
  if (common.kind === "tempfail") return { kind: "refused", by: common };
  const actions = recipients.map((_, index) => verdict?.each?.[index]?.action ?? common);
  const [first] = actions;
  if (first?.kind === "reject" && actions.every(({ kind }) => kind === "reject"))
    return { kind: "refused", by: first };
  const fates = recipients.flatMap((recipient, index) => {
    const action = actions[index]!;
    const headers = verdict?.each?.[index]?.headers ?? verdict?.headers;
    return recipient.routes.map((route): Fate => ({ recipient, route, headers, ...fateOf(action, route) }));
  });
  if (first?.kind === "junk" && actions.every(({ kind }) => kind === "junk"))
    if (fates.every(({ route }) => route.kind === "remote")) return { kind: "refused", by: first };
  return { kind: "taken", fates };
}

function fateOf(action: Action, route: Way): Pick<Fate, "goes" | "reason"> {
  switch (action.kind) {
    case "accept":
      return { goes: "through", reason: "" };
    case "junk":
      if (route.kind === "local") return { goes: "to junk", reason: action.reason };
      // A backup is no forward: the primary sees the sender as he is, and judges the message itself.
      if (route.backup !== undefined) return { goes: "through", reason: "" };
      return { goes: "to quarantine", reason: `${action.reason}; spam is not forwarded` };
    case "quarantine":
      return { goes: "to quarantine", reason: action.reason };
    case "reject":
    case "tempfail":
      return { goes: "to quarantine", reason: `${action.text}; other recipients took it` };
  }
}
