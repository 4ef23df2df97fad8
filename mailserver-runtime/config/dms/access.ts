/**
 * postfix-send-access.cf and postfix-receive-access.cf, access(5): `pattern action`. `setup email restrict` writes
 * `address REJECT`; by hand a `domain`, `@domain` or `user@` may stand there, and `REJECT text`, `550 5.7.1 text` or `OK`.
 */
import { mailDomain } from "../address.ts";
import { type LineParser, lineParser } from "./lines.ts";

export const SEND_ACCESS_FILE = "postfix-send-access.cf";
export const RECEIVE_ACCESS_FILE = "postfix-receive-access.cf";

export interface AccessLine {
  readonly line: number;
  /** Lower case, the domain as A-labels. */
  readonly address: string;
  readonly action: "reject" | "accept";
  /** What the client is told, where the line says it. */
  readonly refusal?: { readonly code: number; readonly status: string; readonly text: string };
}

export const parseAccess: LineParser<AccessLine> = lineParser({
  read: ({ line, text: entry }) => {
    const [address = "", ...rest] = entry.split(/\s+/);
    return { line, address: pattern(address), ...actionOf(address, rest.join(" ")) };
  },
  key: (entry) => entry.address,
});

/** OK and its like only keep a later, wider line from refusing: they open nothing that is closed to everybody. */
const accepting: ReadonlySet<string> = new Set(["OK", "DUNNO", "PERMIT"]);

function actionOf(address: string, text: string): Pick<AccessLine, "action" | "refusal"> {
  const word = /^\S*/.exec(text)![0];
  const said = text.slice(word.length).trim();
  if (accepting.has(word.toUpperCase())) return { action: "accept" };
  if (word.toUpperCase() === "REJECT")
    return { action: "reject", ...(said !== "" && { refusal: refusal(554, said) }) };
  if (/^[45]\d\d$/.test(word))
    return { action: "reject", refusal: refusal(Number(word), said === "" ? "Access denied" : said) };
  throw new Error(`"${address}" must be followed by REJECT, a reply code or OK; "${word}" is not supported`);
}

function refusal(code: number, said: string): NonNullable<AccessLine["refusal"]> {
  const [, status, text] = /^([245]\.\d{1,3}\.\d{1,3})\s+(.*)$/.exec(said) ?? [];
  const printable = (text ?? said).replace(/[^ -~]/g, "?").slice(0, 400);
  return { code, status: status ?? `${code < 500 ? 4 : 5}.7.1`, text: printable };
}

function pattern(text: string): string {
  const at = text.lastIndexOf("@");
  const domain = text.slice(at + 1);
  const local = text
    .slice(0, at + 1)
    .normalize("NFC")
    .toLowerCase();
  if (domain === "") return local;
  return /^[\w.*-]*$/.test(domain) ? `${local}${domain.toLowerCase()}` : `${local}${mailDomain(domain)}`;
}
