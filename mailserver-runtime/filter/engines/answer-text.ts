/** What an engine says in words, as it may stand in findings, replies and logs: one line, printable, short. */
export const answerText = (text: string, longest = 300): string =>
  text
    .replace(/[\p{Cc}\p{Cs}\u2028\u2029]+/gu, " ")
    .trim()
    .slice(0, longest);

/** What stands in a reply of SMTP (RFC 5321 §4.2): printable ASCII. */
export const replyText = (text: string): string => answerText(text, 200).replace(/[^\x20-\x7e]/g, "?");

/** An enhanced status code of RFC 3463 that begins with this class, or the class's usual one for policy (x.7.1). */
export const statusOr = (text: string | undefined, kind: 4 | 5): string =>
  text !== undefined && new RegExp(`^${kind}\\.\\d{1,3}\\.\\d{1,3}$`).test(text) ? text : `${kind}.7.1`;
