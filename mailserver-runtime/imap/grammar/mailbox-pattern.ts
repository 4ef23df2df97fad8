/**
 * LIST patterns (RFC 9051 §6.3.9): `*` matches anything, `%` anything but the separator.
 *
 * Matched in time proportional to name × pattern, whatever the pattern: a client's `%*%*%*` costs no more
 * than its length.
 */
const STAR = "*";
const PERCENT = "%";

/** Whether the whole name matches. */
export function matchesPattern(name: string, pattern: string, separator: string): boolean {
  // reachable[i]: the pattern so far can match the first i characters.
  let reachable = new Uint8Array(name.length + 1);
  reachable[0] = 1;
  for (const token of pattern) {
    const next = new Uint8Array(name.length + 1);
    if (token === STAR || token === PERCENT) {
      let open = false;
      for (let index = 0; index <= name.length; index += 1) {
        if (index > 0 && token === PERCENT && name[index - 1] === separator) open = false;
        if (reachable[index]) open = true;
        if (open) next[index] = 1;
      }
    } else {
      for (let index = 0; index + token.length <= name.length; index += 1) {
        if (reachable[index] && name.startsWith(token, index)) next[index + token.length] = 1;
      }
    }
    reachable = next;
  }
  return reachable[name.length] === 1;
}
