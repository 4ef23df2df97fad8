/** `dkim status` as text: pure. */
import type { OperationAnswer } from "./contract.ts";

const roles = {
  current: "signs",
  next: "follows; its record is to be there before",
  retired: "signs no more, and verifies what is under way",
  revoked: "is revoked, and waits for its next key",
} as const;

export function dkimStatusLines(domains: OperationAnswer<"dkim.status">["domains"]): string[] {
  return domains.flatMap(({ domain, keys, outlook }) => [
    `${domain}: ${keys.length === 0 ? "no key; its mail leaves unsigned" : (outlook ?? "keys kept by hand")}`,
    ...keys.map(({ selector, role, algorithm, place }) => {
      const kind = algorithm === undefined ? "" : ` (${algorithm})`;
      return `  ${selector}${kind} ${roles[role]}${place === undefined ? "" : `, ${place}`}`;
    }),
  ]);
}
