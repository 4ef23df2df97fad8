/**
 * Clauses of an Authentication-Results field (RFC 8601 §2.2): `method=result (comment) ptype.property=value`.
 * What comes from outside is made harmless: no value ends its clause, no comment its bracket, no line grows long.
 */

const MAX_VALUE = 320;
const MAX_COMMENT = 300;

/** `properties` in the order in which they are written; those without a value are left out. */
export function resultClause(
  method: string,
  result: string,
  comment: string | undefined,
  properties: Readonly<Record<string, string | undefined>>,
): string {
  let clause = `${method}=${result}`;
  if (comment) clause += ` (${commentText(comment)})`;
  for (const name in properties) {
    const value = properties[name];
    if (value !== undefined && value !== "") clause += ` ${name}=${propertyValue(value)}`;
  }
  return clause;
}

/** RFC 5322 §3.2.2 without nesting; UTF-8 as RFC 6532 allows it. */
function commentText(text: string): string {
  return printable(text.slice(0, MAX_COMMENT)).replace(/[()\\]/g, "\\$&");
}

/** A token, an address or an identity as it is, anything else in quotes. */
function propertyValue(text: string): string {
  const value = printable(text.slice(0, MAX_VALUE));
  if (/^[\w.+/~!#$%&'*^`{|}-]*(?:@[\w.-]+)?$/.test(value)) return value;
  return `"${value.replace(/["\\]/g, "\\$&")}"`;
}

function printable(text: string): string {
  return text.replace(/[\p{Cc}\p{Cs}\u2028\u2029]/gu, "?");
}
