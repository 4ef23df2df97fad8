/**
 * The messages of the durability tests. Each carries a token that is never used again, and a body that follows
 * from token and length, so that whoever finds the message can say whose it is and whether a byte is missing.
 */

export interface Letter {
  readonly token: string;
  readonly lines: number;
}

export function letterText({ token, lines }: Letter, from: string): Buffer {
  const body = Array.from({ length: lines }, (_, at) => `${token} ${at}\r\n`).join("");
  return Buffer.from(
    `From: <${from}>\r\nTo: undisclosed-recipients:;\r\nDate: Thu, 26 Nov 2026 09:00:00 +0000\r\n` +
      `Message-ID: <${token}@sender.test>\r\nSubject: letter ${token} ${lines}\r\n\r\n${body}end ${token}\r\n`,
  );
}

/** What a found message is: a letter, whole or not; a report about one; or nothing of ours. */
export type Found =
  | { readonly kind: "letter"; readonly token: string; readonly whole: boolean }
  | { readonly kind: "report"; readonly token: string }
  | { readonly kind: "unknown" };

export function recognise(text: string): Found {
  const [, token = "", lines] = /^Subject: letter (\S+) (\d+)\r$/m.exec(text) ?? [];
  if (lines === undefined) return { kind: "unknown" };
  if (/^Content-Type: multipart\/report/im.test(text)) return { kind: "report", token };
  const sent = letterText({ token, lines: Number(lines) }, "").toString("latin1");
  return { kind: "letter", token, whole: text.endsWith(sent.slice(sent.indexOf("\r\n\r\n"))) };
}
