/** What `learn` asks and answers, in the words that both command lines use. Pure. */
export interface LearnSource {
  readonly path?: string;
  readonly account?: string;
  readonly mailbox?: string;
}

/** `account:mailbox` names a mailbox of the host, anything else a path there. */
export function learnSource(source: string, absolute: (path: string) => string): LearnSource {
  const [, account, mailbox] = /^([^:/]+@[^:/]+):(.+)$/.exec(source) ?? [];
  return account !== undefined && mailbox !== undefined ? { account, mailbox } : { path: absolute(source) };
}

export function learntLine(
  source: string,
  as: "spam" | "ham",
  { learnt, known }: { readonly learnt: number; readonly known: number },
): string {
  const messages = learnt === 1 ? "message" : "messages";
  return `${source}: ${learnt} ${messages} learnt as ${as}${known > 0 ? `, ${known} known already` : ""}`;
}
