/**
 * SMTP replies as a client reads them (RFC 5321 §4.2): three digits, text, perhaps several lines; and the enhanced status
 * code in front of the text (RFC 2034, RFC 3463).
 *
 * The reader takes bytes as they come and gives whole replies. What a server may say is limited in line length, lines
 * and bytes, so that no server can fill memory with an answer that never ends. Lines may end in LF alone, and what is
 * not ASCII is shown as U+FFFD: both are common, and harmless here.
 */

export interface Reply {
  readonly code: number;
  /** Like "5.1.1"; undefined when the server gave none, or one whose class contradicts its code. */
  readonly enhanced: string | undefined;
  /** The text of each line, without code and enhanced code. */
  readonly lines: readonly string[];
}

/** RFC 5321 §4.5.3.1.5 says 512 octets; servers that cite a policy at length exist, servers that send this do not. */
export const MAX_REPLY_LINE = 4096;
/** Lines of one reply; the longest EHLO answers in use have some twenty. */
export const MAX_REPLY_LINES = 200;

/** A reply that breaks the grammar or a limit; the message shows the line. */
export class BadReply extends Error {
  override name = "BadReply";
}

const LINE = /^([2-5][0-9]{2})(?:([ -])(.*))?$/s;
const ENHANCED = /^([245]\.[0-9]{1,3}\.[0-9]{1,3})(?:[ \t]+|$)/;

/** Collects bytes into replies. */
export class ReplyReader {
  #rest: Buffer = Buffer.alloc(0);
  #code = "";
  #lines: string[] = [];
  readonly #ready: Reply[] = [];

  /** Takes bytes of the server. @throws {BadReply} */
  push(bytes: Buffer): void {
    let data = this.#rest.length === 0 ? bytes : Buffer.concat([this.#rest, bytes]);
    for (let newline = data.indexOf(10); newline >= 0; newline = data.indexOf(10)) {
      this.#line(data.subarray(0, data[newline - 1] === 13 ? newline - 1 : newline));
      data = data.subarray(newline + 1);
      if (this.#ready.length > MAX_REPLY_LINES)
        throw new BadReply("the server sends replies nobody asked for");
    }
    if (data.length > MAX_REPLY_LINE)
      throw new BadReply(`a reply line is longer than ${MAX_REPLY_LINE} octets: "${shown(data)}…"`);
    this.#rest = data;
  }

  /** The next whole reply. */
  next(): Reply | undefined {
    return this.#ready.shift();
  }

  /** Something of a reply has come that has not been asked for. */
  get pending(): boolean {
    return this.#rest.length > 0 || this.#lines.length > 0 || this.#ready.length > 0;
  }

  #line(bytes: Buffer): void {
    if (bytes.length > MAX_REPLY_LINE)
      throw new BadReply(`a reply line is longer than ${MAX_REPLY_LINE} octets: "${shown(bytes)}…"`);
    const match = LINE.exec(bytes.toString("utf8"));
    const [, code = "", separator = " ", text = ""] = match ?? [];
    if (match === null) throw new BadReply(`not an SMTP reply: "${shown(bytes)}"`);
    if (this.#lines.length > 0 && code !== this.#code)
      throw new BadReply(`a reply began with ${this.#code} and goes on with ${code} (RFC 5321 §4.2.1)`);
    if (this.#lines.length >= MAX_REPLY_LINES)
      throw new BadReply(`a reply has more than ${MAX_REPLY_LINES} lines`);
    this.#code = code;
    this.#lines.push(text);
    if (separator === "-") return;
    this.#ready.push(replyOf(Number(code), this.#lines));
    this.#lines = [];
  }
}

function replyOf(code: number, texts: readonly string[]): Reply {
  const enhanced = ENHANCED.exec(texts[0] ?? "")?.[1];
  const fits = enhanced !== undefined && Number(enhanced[0]) === Math.floor(code / 100);
  return {
    code,
    enhanced: fits ? enhanced : undefined,
    lines: fits
      ? texts.map((text) => (text.startsWith(enhanced) ? text.slice(enhanced.length).trimStart() : text))
      : texts,
  };
}

/** A reply on one line, as logs and DSNs show it: `550 5.1.1 No such user`. Control characters become blanks. */
export function replyText(reply: Reply): string {
  const text = reply.lines
    .join(" ")
    .replace(/[\0-\x1f\x7f]+/g, " ")
    .slice(0, 900);
  return [reply.code, reply.enhanced, text].filter((part) => part !== undefined && part !== "").join(" ");
}

/** The enhanced code, or the least specific one of the reply's class (RFC 3463 §3.1). */
export function statusOf(reply: Reply): string {
  return reply.enhanced ?? `${Math.floor(reply.code / 100)}.0.0`;
}

const shown = (bytes: Buffer): string => bytes.toString("latin1", 0, 80).replace(/[^ -~]/g, "?");
