/** What a server must answer about a corpus, found by looking at every message: each check throws where an answer differs. */
import type { CorpusMessage } from "./imap-corpus.ts";

export type Check = (answer: Buffer) => void;

export interface Answers {
  readonly flags: Check;
  readonly headerFields: Check;
  readonly whole: Check;
  readonly envelope: Check;
  withText(words: string): Check;
  withSubject(words: string): Check;
}

/** Fields that `headerFields` expects, in capitals. */
export const HEADER_FIELDS = ["DATE", "FROM", "TO", "SUBJECT", "MESSAGE-ID"];

export function answers(messages: readonly CorpusMessage[]): Answers {
  const byMessage = (expect: (message: CorpusMessage) => (response: Response) => boolean): Check => {
    return (answer) => {
      const found = responses(answer).filter(({ text }) => / FETCH \(/.test(text));
      if (found.length !== messages.length) throw new Error(`${found.length} FETCH responses`);
      found.forEach((response, index) => {
        if (!response.text.startsWith(`* ${index + 1} FETCH (`) || !expect(messages[index]!)(response))
          throw new Error(`message ${index + 1} is answered with ${response.text.slice(0, 400)}`);
      });
    };
  };
  const search = (matches: (message: CorpusMessage) => boolean): Check => {
    const numbers = messages.flatMap((message, index) => (matches(message) ? [index + 1] : []));
    if (numbers.length === 0) throw new Error("a search that finds nothing proves little");
    return (answer) => {
      const line = /^\* SEARCH(.*)\r$/m.exec(answer.toString("latin1"))?.[1] ?? "";
      if (line.trim() !== numbers.join(" ")) throw new Error(`a search found${line.slice(0, 400)}`);
    };
  };
  return {
    flags: byMessage(
      ({ seen }) =>
        ({ text }) =>
          text.endsWith(` FETCH (FLAGS (${seen ? "\\Seen" : ""}))`),
    ),
    headerFields: byMessage((message) => {
      const wanted = chosenFields(message.bytes);
      return ({ literals }) => literals.length === 1 && literals[0]!.equals(wanted);
    }),
    whole: byMessage(
      ({ bytes }) =>
        ({ literals }) =>
          literals.length === 1 && literals[0]!.equals(bytes),
    ),
    envelope: byMessage((message) => ({ text }) => {
      const size = / ?RFC822\.SIZE (\d+)/.exec(text);
      const date = / ?INTERNALDATE "([^"]*)"/.exec(text);
      const rest = text.replace(size?.[0] ?? "", "").replace(date?.[0] ?? "", "");
      return (
        Number(size?.[1]) === message.bytes.length &&
        Date.parse(date?.[1] ?? "") === message.date * 1000 &&
        rest.replace("FETCH ( ", "FETCH (").endsWith(` FETCH (ENVELOPE ${envelope(message)})`)
      );
    }),
    withText: (words) => search(({ bytes }) => bytes.toString("latin1").toLowerCase().includes(words)),
    withSubject: (words) => search(({ subject }) => subject.includes(words)),
  };
}

/** The fields in the order they stand, with an empty line. */
function chosenFields(bytes: Buffer): Buffer {
  const lines = bytes.toString("latin1", 0, bytes.indexOf("\r\n\r\n")).split(/\r\n(?![ \t])/);
  const chosen = lines.filter((line) => HEADER_FIELDS.includes(line.split(":", 1)[0]!.toUpperCase()));
  return Buffer.from(`${chosen.join("\r\n")}\r\n\r\n`, "latin1");
}

function envelope({ date, subject, from, messageId }: CorpusMessage): string {
  const sent = new Date(date * 1000).toUTCString().replace("GMT", "+0000");
  const author = `(("${from.name}" NIL "${from.local}" "elsewhere.test"))`;
  const to = '((NIL NIL "mail" "bench.test"))';
  return `("${sent}" "${subject}" ${author} ${author} ${author} ${to} NIL NIL NIL "${messageId}")`;
}

interface Response {
  /** Without its literals. */
  readonly text: string;
  readonly literals: readonly Buffer[];
}

function responses(answer: Buffer): readonly Response[] {
  const found: Response[] = [];
  for (let at = 0; at < answer.length; ) {
    let text = "";
    const literals: Buffer[] = [];
    for (;;) {
      const end = answer.indexOf("\r\n", at);
      const line = answer.toString("latin1", at, end);
      text += line;
      at = end + 2;
      const announced = /\{(\d+)\}$/.exec(line);
      if (!announced) break;
      literals.push(answer.subarray(at, at + Number(announced[1])));
      at += Number(announced[1]);
    }
    found.push({ text, literals });
  }
  return found;
}
