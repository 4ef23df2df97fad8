/**
 * A message without some of its header fields: forged results in our name (RFC 8601 §5), or what tells about
 * a sender's device. The content itself is never changed; this is another one, made only when there is
 * something to leave out.
 */
import type { MessageContent } from "../message/content.ts";
import type { HeaderField, Headers } from "../message/headers.ts";
import { piecedContent } from "../message/pieced-content.ts";

/** The content without the fields that `drop` names; the same object when there are none. Owns `content` from then on. */
export function withoutFields(
  content: MessageContent,
  headers: Headers,
  drop: (field: HeaderField) => boolean,
): MessageContent {
  const kept: { of: MessageContent; start: number; end: number }[] = [];
  let from = 0;
  for (const field of headers.fields) {
    if (!drop(field)) continue;
    if (field.start > from) kept.push({ of: content, start: from, end: field.start });
    from = field.end;
  }
  if (from === 0) return content;
  if (from < content.size) kept.push({ of: content, start: from, end: content.size });
  // Whole fields are left out, with their line ends.
  return piecedContent(kept, content.lineEnds);
}
