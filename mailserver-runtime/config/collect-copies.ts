/** Who gets copies: the settings' rules and the BCC maps of postfix-main.cf. */
import { aliasAddress, InvalidAddress, mailDomain, targetAddress } from "./address.ts";
import type { CompileInput } from "./compile.ts";
import type { ConfigurationProblem, CopyTable, CopyTarget, Origin } from "./snapshot.ts";
import { STACK_SETTINGS } from "./stack/files.ts";

export function collectCopies(
  { settings, postfix }: Pick<CompileInput, "settings" | "postfix">,
  problems: ConfigurationProblem[],
): CopyTable {
  const always: CopyTarget[] = [];
  const bySender = new Map<string, CopyTarget[]>();
  const byRecipient = new Map<string, CopyTarget[]>();
  const put = (rule: "always" | "sender" | "recipient", key: string, target: CopyTarget) => {
    if (rule === "always") {
      always.push(target);
      return;
    }
    const map = rule === "sender" ? bySender : byRecipient;
    map.set(key, [...(map.get(key) ?? []), target]);
  };
  const origin: Origin = { file: STACK_SETTINGS, line: 1, owner: "stack" };
  for (const { sender, recipient, to } of settings.copies)
    try {
      if (sender !== undefined && recipient !== undefined)
        throw new InvalidAddress(
          `the rule for ${to} names a sender and a recipient; write one rule for each of them`,
        );
      if (to.startsWith("@")) throw new InvalidAddress(`"${to}" is no address that could get copies`);
      const target: CopyTarget = { to: targetAddress(to), origin };
      if (sender !== undefined) put("sender", patternOf(sender), target);
      else if (recipient !== undefined) put("recipient", patternOf(recipient), target);
      else put("always", "", target);
    } catch (error) {
      if (!(error instanceof InvalidAddress)) throw error;
      problems.push({ file: STACK_SETTINGS, line: 0, reason: `copies: ${error.message}` });
    }
  for (const { rule, key, target } of postfix.copies) put(rule, key, target);
  return { always, bySender, byRecipient, patterns: postfix.copyPatterns };
}

/** An address, or `@domain`, which may be written without its @. */
function patternOf(text: string): string {
  return text.includes("@") ? aliasAddress(text) : `@${mailDomain(text)}`;
}
