/** The base subject, by which SORT and THREAD compare (RFC 5256 §2.1). */
import { decodeHeaderValue } from "../../message/mime/encoded-words.ts";

/** Rounds of taking off prefixes; a subject that needs more is somebody's joke. */
const MAX_ROUNDS = 100;

const BLOB = /^\[[^[\]]*\]\s*/;
const REPLY = /^(?:re|fwd?)\s*(?:\[[^[\]]*\]\s*)?:\s*/i;

/** Base subject of a Subject field's value (latin1), and whether it was a reply or forward. */
export function baseSubject(value: string): { readonly base: string; readonly isReply: boolean } {
  let text = decodeHeaderValue(value).replace(/\s+/g, " ").trim();
  let isReply = false;
  for (let round = 0; round < MAX_ROUNDS; round += 1) {
    const before = text;
    // (2) trailing "(fwd)"
    while (/\(fwd\)\s*$/i.test(text)) {
      text = text.replace(/\s*\(fwd\)\s*$/i, "");
      isReply = true;
    }
    // (3)-(5) leading "Re:", "Fwd:" and blobs, where a blob leaves something behind it
    for (let inner = 0; inner < MAX_ROUNDS; inner += 1) {
      const start = text;
      const leader = REPLY.exec(skipBlobs(text));
      if (leader) {
        text = skipBlobs(text).slice(leader[0].length);
        isReply = true;
      } else {
        const blob = BLOB.exec(text);
        if (blob && text.length > blob[0].length) text = text.slice(blob[0].length);
      }
      if (text === start) break;
    }
    // (6) "[fwd: ...]" around all of it
    const wrapped = /^\[fwd:\s*(.*)\]$/i.exec(text);
    if (wrapped) {
      text = wrapped[1]!.trim();
      isReply = true;
    }
    if (text === before) break;
  }
  return { base: text.trim().toUpperCase(), isReply };
}

/** Blobs may stand before a "Re:". */
function skipBlobs(text: string): string {
  let rest = text;
  for (let blob = BLOB.exec(rest); blob; blob = BLOB.exec(rest)) rest = rest.slice(blob[0].length);
  return rest;
}
