/**
 * Authentication-Results that claim to be this host's and came from outside: forged, or another's (RFC 8601 §5). Readers
 * trust the field for its authserv-id, so it goes before anybody looks.
 */
import type { MessageContent } from "../message/content.ts";
import { fieldValue, type HeaderField, type Headers, readHeaders } from "../message/headers.ts";
import { withoutFields } from "../message/without-fields.ts";

/** Whether the field names this host as its author. */
export const isForgedResult = (headers: Headers, hostname: string, field: HeaderField): boolean =>
  field.name === "authentication-results" &&
  authservId(fieldValue(headers, field)) === hostname.toLowerCase();

/** The message without such fields; the same objects where there are none. Owns `content` from then on. */
export async function withoutForgedResults(
  message: { readonly content: MessageContent; readonly headers: Headers },
  hostname: string,
): Promise<{ readonly content: MessageContent; readonly headers: Headers }> {
  const { headers } = message;
  const content = withoutFields(message.content, headers, (field) =>
    isForgedResult(headers, hostname, field),
  );
  return content === message.content ? message : { content, headers: await readHeaders(content) };
}

/** The authserv-id of an Authentication-Results value, lower case: the first token, comments and quotes aside. */
export function authservId(value: string): string | undefined {
  let rest = value;
  for (;;) {
    rest = rest.trimStart();
    if (!rest.startsWith("(")) break;
    let depth = 0;
    let at = 0;
    for (; at < rest.length; at++) {
      if (rest[at] === "\\") at++;
      else if (rest[at] === "(") depth++;
      else if (rest[at] === ")" && --depth === 0) break;
    }
    rest = rest.slice(at + 1);
  }
  const token = /^(?:"((?:[^"\\]|\\.)*)"|([^\s;()"]+))/.exec(rest);
  return (token?.[1]?.replace(/\\(.)/g, "$1") ?? token?.[2])?.toLowerCase();
}
