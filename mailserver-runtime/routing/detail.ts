/**
 * Splits a local part at its first "+" (RFC 5233 calls the parts user and detail). Undefined when there is no detail;
 * a leading "+" begins no detail.
 */
export function splitDetail(
  localPart: string,
): { readonly user: string; readonly detail: string } | undefined {
  const plus = localPart.indexOf("+");
  if (plus <= 0) return undefined;
  return { user: localPart.slice(0, plus), detail: localPart.slice(plus + 1) };
}
