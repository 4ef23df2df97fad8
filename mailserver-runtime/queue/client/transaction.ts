/**
 * One message to some recipients over an open session: MAIL, RCPT, DATA (RFC 5321 §3.3), in one packet where the server
 * has PIPELINING (RFC 2920).
 *
 * Every recipient gets a result of its own, and a result is only ever "delivered" after the server's 2xx to the final
 * dot. A message that the server cannot take as it is (8-bit without 8BITMIME, UTF-8 addresses without SMTPUTF8, too
 * large, REQUIRETLS unknown) fails here for good; it is never converted, because conversion breaks its signatures.
 */
import { DotStuffer, StrayLineEnd } from "./dot-stuffing.ts";
import { type Reply, replyText, statusOf } from "./reply.ts";
import type { SmtpSession } from "./session.ts";
import { ClientError } from "./wire.ts";

export interface OutgoingMessage {
  /** Reverse-path, "" for the null reverse-path. */
  readonly from: string;
  /** Octets that `chunks` gives. */
  readonly size: number;
  /** There are octets above 127 in it. */
  readonly eightBit: boolean;
  /** UTF-8 in its addresses or headers: needs SMTPUTF8. */
  readonly smtpUtf8: boolean;
  readonly requireTls?: boolean;
  readonly ret?: "FULL" | "HDRS";
  readonly envid?: string;
  /** The message from its beginning; called once for each transaction. */
  chunks(): AsyncIterable<Buffer> | Iterable<Buffer>;
}
export interface OutgoingRecipient {
  readonly address: string;
  readonly notify?: readonly string[];
  readonly orcpt?: string;
}
export interface RecipientResult {
  readonly outcome: "delivered" | "temporary" | "permanent";
  /** RFC 3463. */
  readonly status: string;
  /** The server's reply on one line, or our own reason. */
  readonly text: string;
  /** `text` is the server's. */
  readonly replied: boolean;
  /** The server takes fewer recipients at a time: try this one again at once (RFC 5321 §4.5.3.1.10). */
  readonly tooMany?: boolean;
}
export interface TransactionResult {
  /** One for each recipient, in their order. */
  readonly results: readonly RecipientResult[];
  /** The session may be used for another transaction. */
  readonly reusable: boolean;
  /** The connection was lost after the final dot: the server may have taken the message (RFC 1047). */
  readonly uncertain: boolean;
}

/** Never throws for what the server does. */
export async function transact(
  session: SmtpSession,
  message: OutgoingMessage,
  recipients: readonly OutgoingRecipient[],
): Promise<TransactionResult> {
  const unfit = unfitness(session, message);
  if (unfit !== undefined) return { results: recipients.map(() => unfit), reusable: true, uncertain: false };
  const run = new Transaction(session, message, recipients);
  return run.run();
}

class Transaction {
  readonly #session: SmtpSession;
  readonly #message: OutgoingMessage;
  readonly #recipients: readonly OutgoingRecipient[];
  readonly #results: (RecipientResult | undefined)[];
  #sentAll = false;

  constructor(session: SmtpSession, message: OutgoingMessage, recipients: readonly OutgoingRecipient[]) {
    this.#session = session;
    this.#message = message;
    this.#recipients = recipients;
    this.#results = recipients.map(() => undefined);
  }

  async run(): Promise<TransactionResult> {
    const session = this.#session;
    session.transactions += 1;
    try {
      const clean = session.extensions.pipelining ? await this.#pipelined() : await this.#stepwise();
      const over = session.transactions >= session.extensions.transactionLimit;
      const reusable = !over && session.usable && (clean || (await session.reset()));
      return this.#finished(reusable, false);
    } catch (error) {
      session.wire.destroy();
      if (error instanceof StrayLineEnd)
        this.#fill({ outcome: "permanent", status: "5.6.0", text: error.message, replied: false });
      else this.#fill(lost(error));
      // A 421 to the final dot is an answer: the message was not taken.
      const answered = error instanceof ClientError && error.reply !== undefined;
      return this.#finished(false, this.#sentAll && !answered);
    }
  }

  /** True when the transaction ended by itself, so that no RSET is needed. */
  async #pipelined(): Promise<boolean> {
    const { wire } = this.#session;
    wire.write(
      [this.#mailCommand(), ...this.#recipients.map((each) => this.#rcptCommand(each)), "DATA\r\n"].join(""),
    );
    const mail = await this.#reply("MAIL");
    for (const index of this.#recipients.keys()) {
      const reply = await this.#reply("RCPT");
      if (mail.code === 250) this.#recipient(index, reply);
      else this.#results[index] = refusedBy(mail);
    }
    const data = await this.#reply("DATA", this.#session.timeouts.data);
    if (data.code === 354) {
      if (this.#accepted > 0) return this.#body();
      // RFC 2920 §3.1: a server may say 354 although it took no recipient; only an empty message leads back.
      wire.write(".\r\n");
      await this.#reply("the final dot", this.#session.timeouts.final);
      return true;
    }
    this.#fill(refusedBy(data));
    return false;
  }

  async #stepwise(): Promise<boolean> {
    const { wire } = this.#session;
    wire.write(this.#mailCommand());
    const mail = await this.#reply("MAIL");
    if (mail.code !== 250) {
      this.#fill(refusedBy(mail));
      return true;
    }
    for (const [index, recipient] of this.#recipients.entries()) {
      wire.write(this.#rcptCommand(recipient));
      this.#recipient(index, await this.#reply("RCPT"));
    }
    if (this.#accepted === 0) return false;
    wire.write("DATA\r\n");
    const data = await this.#reply("DATA", this.#session.timeouts.data);
    if (data.code === 354) return this.#body();
    this.#fill(refusedBy(data));
    return false;
  }

  async #body(): Promise<boolean> {
    const { wire, timeouts } = this.#session;
    const stuffer = new DotStuffer();
    wire.cork();
    try {
      for await (const chunk of this.#message.chunks()) {
        let room = true;
        for (const piece of stuffer.push(chunk)) room = wire.write(piece);
        if (room) continue;
        wire.uncork();
        await wire.drained(timeouts.block);
        if (wire.spoken) return await this.#interrupted();
        wire.cork();
      }
      wire.write(stuffer.finish());
      this.#sentAll = true;
    } finally {
      wire.uncork();
    }
    const reply = await this.#reply("the final dot", timeouts.final);
    this.#sentAll = false;
    if (reply.code >= 200 && reply.code < 300)
      this.#fill({ outcome: "delivered", status: statusOf(reply), text: replyText(reply), replied: true });
    else this.#fill(refusedBy(reply));
    return true;
  }

  /** The server answered while we were still sending: whatever it says, it has not taken the message. */
  async #interrupted(): Promise<boolean> {
    const reply = await this.#reply("sending data");
    this.#session.wire.destroy();
    this.#fill(
      reply.code >= 400
        ? refusedBy(reply)
        : temporary("4.5.0", `answered ${replyText(reply)} before the message was sent`),
    );
    return false;
  }

  #recipient(index: number, reply: Reply): void {
    if (reply.code >= 250 && reply.code <= 252) return;
    // RFC 5321 §4.5.3.1.10: 552 to RCPT is what old servers say for "too many", and is to be read as 452.
    const tooMany =
      reply.code === 552 || (reply.code === 452 && reply.enhanced !== "4.2.2" && reply.enhanced !== "4.3.1");
    this.#results[index] = tooMany
      ? { ...refusedBy(reply), outcome: "temporary", status: reply.enhanced ?? "4.5.3", tooMany: index > 0 }
      : refusedBy(reply);
  }

  #mailCommand(): string {
    const { extensions } = this.#session;
    const { from, size, eightBit, smtpUtf8, requireTls, ret, envid } = this.#message;
    const parameters = [
      extensions.size !== undefined && `SIZE=${size}`,
      extensions.eightBitMime && eightBit && "BODY=8BITMIME",
      smtpUtf8 && "SMTPUTF8",
      requireTls && this.#session.keepsTls && "REQUIRETLS",
      extensions.dsn && ret !== undefined && `RET=${ret}`,
      extensions.dsn && envid !== undefined && `ENVID=${envid}`,
    ].filter((part) => typeof part === "string");
    return `${[`MAIL FROM:<${from}>`, ...parameters].join(" ")}\r\n`;
  }

  #rcptCommand(recipient: OutgoingRecipient): string {
    const { dsn } = this.#session.extensions;
    const parameters = [
      dsn && recipient.notify !== undefined && `NOTIFY=${recipient.notify.join(",")}`,
      dsn && recipient.orcpt !== undefined && `ORCPT=${recipient.orcpt}`,
    ].filter((part) => typeof part === "string");
    return `${[`RCPT TO:<${recipient.address}>`, ...parameters].join(" ")}\r\n`;
  }

  get #accepted(): number {
    return this.#results.filter((result) => result === undefined).length;
  }

  async #reply(during: string, timeoutMs = this.#session.timeouts.command): Promise<Reply> {
    const reply = await this.#session.wire.reply(timeoutMs, during);
    // 421 ends the session wherever it comes (RFC 5321 §3.8): no reply follows it.
    if (reply.code === 421) throw new ClientError("closed", replyText(reply), reply);
    return reply;
  }

  #fill(result: RecipientResult): void {
    for (const index of this.#results.keys()) this.#results[index] ??= result;
  }

  #finished(reusable: boolean, uncertain: boolean): TransactionResult {
    const missing = temporary("4.5.0", "the transaction ended without a result");
    return { results: this.#results.map((result) => result ?? missing), reusable, uncertain };
  }
}

/** Why this server cannot take this message at all. */
function unfitness(session: SmtpSession, message: OutgoingMessage): RecipientResult | undefined {
  const { extensions, host } = session;
  const permanent = (status: string, text: string): RecipientResult => ({
    outcome: "permanent",
    status,
    text,
    replied: false,
  });
  if (message.smtpUtf8 && !extensions.smtpUtf8)
    return permanent("5.6.7", `${host} does not take UTF-8 addresses or headers (SMTPUTF8, RFC 6531)`);
  if (message.eightBit && !extensions.eightBitMime)
    return permanent(
      "5.6.3",
      `${host} does not take 8-bit content (8BITMIME), and mail is not converted here`,
    );
  if (extensions.size !== undefined && extensions.size > 0 && message.size > extensions.size)
    return permanent(
      "5.3.4",
      `${host} takes ${extensions.size} octets at most, the message has ${message.size}`,
    );
  // Reports from the null reverse-path are not lost for want of it (RFC 8689 §5).
  if (message.requireTls && message.from !== "" && !session.keepsTls)
    return permanent("5.7.30", `${host} does not keep REQUIRETLS (RFC 8689)`);
  return undefined;
}

const refusedBy = (reply: Reply): RecipientResult => ({
  outcome: reply.code >= 500 ? "permanent" : "temporary",
  status: reply.code >= 400 ? statusOf(reply) : "4.5.0",
  text: replyText(reply),
  replied: true,
});

const temporary = (status: string, text: string): RecipientResult => ({
  outcome: "temporary",
  status,
  text,
  replied: false,
});

function lost(error: unknown): RecipientResult {
  if (error instanceof ClientError && error.reply !== undefined) return refusedBy(error.reply);
  // What is no ClientError is trouble of our own, such as a spool file that cannot be read.
  const status = !(error instanceof ClientError) ? "4.3.0" : error.problem === "garbage" ? "4.5.0" : "4.4.2";
  return temporary(status, error instanceof Error ? error.message : String(error));
}
