/** An address's local part taken apart at its delimiter (RFC 5233 calls the parts user and detail). */
export interface Detail {
  readonly user: string;
  /** The delimiter that was found. */
  readonly delimiter: string;
  readonly detail: string;
}

/**
 * Splits a local part at the first of the `delimiters`, "+" as a rule. Undefined when there is no detail; a leading
 * delimiter begins none.
 */
export function splitDetail(localPart: string, delimiters: string): Detail | undefined {
  for (let at = 1; at < localPart.length; at += 1) {
    const delimiter = localPart[at]!;
    if (delimiters.includes(delimiter))
      return { user: localPart.slice(0, at), delimiter, detail: localPart.slice(at + 1) };
  }
  return undefined;
}
