/**
 * Senders at work until the connection ends: strangers at the MX and one of the host's users at submission. They write
 * down what they were told, and send again what they had no answer to, as every MTA does.
 */
import { type Addressed, type Ledger, now, type Submission } from "./ledger.ts";
import { type Letter, letterText } from "./letters.ts";
import type { Random } from "./random.ts";
import { ConnectionLost, type SmtpClient } from "./wire.ts";

export interface SmtpLoad {
  readonly client: SmtpClient;
  readonly ledger: Ledger;
  readonly random: Random;
  readonly newToken: () => string;
  /** Submissions without an answer, to be sent again first. */
  readonly again: Submission[];
}
type Kind = (token: string) => Omit<Addressed, "letter" | "from">;

const [anna, ben, cleo, dora] = [
  "anna@green.test",
  "ben@green.test",
  "cleo@green.test",
  "dora@green.test",
] as const;

/** Who gets mail from strangers. */
const FROM_OUTSIDE: readonly Kind[] = [
  () => ({ recipients: [anna], accounts: [anna], remote: [] }),
  () => ({ recipients: [cleo], accounts: [cleo], remote: [] }),
  () => ({ recipients: [anna, ben, cleo, dora], accounts: [anna, ben, cleo, dora], remote: [] }),
  () => ({ recipients: ["both@green.test"], accounts: [anna, ben], remote: [] }),
  () => ({ recipients: ["away@green.test"], accounts: [], remote: ["fwd@sink.test"] }),
  () => ({ recipients: ["mixed@green.test", dora], accounts: [cleo, dora], remote: ["mix@sink.test"] }),
];
/** Who gets mail from anna. */
const FROM_INSIDE: readonly Kind[] = [
  (token) => ({ recipients: [`a-${token}@sink.test`], accounts: [], remote: [`a-${token}@sink.test`] }),
  (token) => ({
    recipients: [`a-${token}@sink.test`, `b-${token}@sink.test`, ben],
    accounts: [ben],
    remote: [`a-${token}@sink.test`, `b-${token}@sink.test`],
  }),
  (token) => ({
    recipients: [`later-${token}@sink.test`],
    accounts: [],
    remote: [`later-${token}@sink.test`],
  }),
  (token) => ({
    recipients: [`no-${token}@sink.test`, `a-${token}@sink.test`],
    accounts: [],
    remote: [`a-${token}@sink.test`],
    reportTo: anna,
  }),
];
export const HELD: Kind = (token) => ({
  recipients: [`hold-${token}@sink.test`],
  accounts: [],
  remote: [`hold-${token}@sink.test`],
});

/** Sends until `isOver`, or until the connection is lost. */
export async function sendFromOutside(load: SmtpLoad, isOver: () => boolean): Promise<void> {
  const from = "stranger@sender.test";
  while (!isOver()) {
    const again = load.again.shift();
    if (again !== undefined) await send(load, again, "DATA");
    else if (load.random.chance(0.1)) await sendRefused(load, from);
    else
      await send(
        load,
        load.ledger.submission(addressed(load, FROM_OUTSIDE, from)),
        load.random.of(["DATA", "BDAT"]),
      );
    await pause(load.random);
  }
}
export async function sendFromInside(load: SmtpLoad, isOver: () => boolean): Promise<void> {
  while (!isOver()) {
    const kinds = load.random.chance(0.05) ? [HELD] : FROM_INSIDE;
    const submission = load.again.shift() ?? load.ledger.submission(addressed(load, kinds, anna));
    await send(load, submission, "DATA");
    await pause(load.random);
  }
}

function addressed({ random, newToken }: SmtpLoad, kinds: readonly Kind[], from: string): Addressed {
  const token = newToken();
  // Some do not fit in memory on their way in.
  const letter = { token, lines: random.chance(0.04) ? 20_000 : random.below(80) };
  return { letter, from, ...random.of(kinds)(token) };
}
const pause = (random: Random) => new Promise((resolve) => setTimeout(resolve, random.below(10)));

/** One transaction; whatever the answer is, it is in the ledger. */
export async function send(load: SmtpLoad, submission: Submission, how: "DATA" | "BDAT"): Promise<string> {
  const { client, ledger } = load;
  const { letter, from, recipients } = submission;
  const text = letterText(letter, from);
  try {
    const sender = await client.ask(`MAIL FROM:<${from}>`);
    if (!sender.startsWith("250")) return refuse(submission, sender);
    for (const recipient of recipients) {
      const taken = await client.ask(`RCPT TO:<${recipient}>`);
      if (taken.startsWith("250")) continue;
      await client.ask("RSET");
      return refuse(submission, taken);
    }
    if (how === "DATA") {
      const ready = await client.ask("DATA");
      if (!ready.startsWith("354")) return refuse(submission, ready);
    }
  } catch (error) {
    // The message itself was never sent: nothing can have come of it.
    if (error instanceof ConnectionLost) load.again.push(submission);
    throw error;
  }
  const askedAt = now();
  submission.underWay += 1;
  client.wire.write(how === "DATA" ? Buffer.concat([text, Buffer.from(".\r\n")]) : bdat(text));
  try {
    let answer = await client.reply();
    // The first chunk's answer.
    if (how === "BDAT" && answer.startsWith("250")) answer = await client.reply();
    submission.underWay -= 1;
    if (!answer.startsWith("250")) return refuse(submission, answer);
    submission.acknowledged += 1;
    const exchange = {
      what: "250",
      token: letter.token,
      port: client.wire.localPort,
      askedAt,
      answeredAt: now(),
    };
    ledger.exchanges.push(exchange);
    return answer;
  } catch (error) {
    if (error instanceof ConnectionLost) {
      submission.underWay -= 1;
      submission.unanswered += 1;
      load.again.push(submission);
    }
    throw error;
  }
}
function refuse(submission: Submission, answer: string): string {
  submission.refused += 1;
  return answer;
}
function bdat(text: Buffer): Buffer {
  const half = text.length >> 1;
  return Buffer.concat([
    Buffer.from(`BDAT ${half}\r\n`),
    text.subarray(0, half),
    Buffer.from(`BDAT ${text.length - half} LAST\r\n`),
    text.subarray(half),
  ]);
}

/** What is refused must not arrive: too large, or no message by RFC 5321 (a lone CR), or for nobody. */
async function sendRefused(load: SmtpLoad, from: string): Promise<void> {
  const { client, random } = load;
  const refused = (letter: Letter, recipients: readonly string[]) =>
    load.ledger.submission({ letter, from, recipients, accounts: [anna, cleo], remote: ["fwd@sink.test"] });
  const kind = random.of(["too large", "lone CR", "nobody"] as const);
  const lines = kind === "too large" ? 60_000 : 10;
  const submission = refused({ token: load.newToken(), lines }, [anna, cleo, "away@green.test"]);
  if (kind !== "lone CR") {
    const recipients = kind === "nobody" ? ["nobody@green.test"] : submission.recipients;
    const answer = await send({ ...load, again: [] }, { ...submission, recipients }, "DATA");
    if (!answer.startsWith("55")) throw new Error(`a message that is ${kind} was answered ${answer}`);
    submission.refused += 1;
    return;
  }
  await client.ask(`MAIL FROM:<${from}>`);
  for (const recipient of submission.recipients) await client.ask(`RCPT TO:<${recipient}>`);
  await client.ask("DATA");
  client.wire.write(
    Buffer.concat([letterText(submission.letter, from), Buffer.from("a lone\rreturn\r\n.\r\n")]),
  );
  const answer = await client.reply();
  if (!answer.startsWith("55")) throw new Error(`a lone CR was answered ${answer}`);
  submission.refused += 1;
}
