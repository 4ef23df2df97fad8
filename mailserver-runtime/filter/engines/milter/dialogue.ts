/**
 * The dialogue with a milter about one message: everything a client said, told again after the message has come whole.
 *
 * So a milter's answers to CONNECT, HELO and MAIL are answers to the message; one to RCPT is for that recipient. This
 * server decides at the end of a message, where the filter's other checks do (docs/decisions/0026).
 */

import { isIP } from "node:net";
import type { MessageContent } from "../../../message/content.ts";
import type { Headers } from "../../../message/headers.ts";
import { SpoolWriter } from "../../../message/spooled-content.ts";
import type { MessageChange } from "../../changes/message-change.ts";
import { answerText, replyText, statusOr } from "../answer-text.ts";
import { EngineError, type Question } from "../engine.ts";
import type { Link } from "../link.ts";
import { macroPacket } from "./macros.ts";
import { modificationOf } from "./modification.ts";
import { type Agreement, type MacroStage, negotiate, type steps } from "./negotiation.ts";
import { nulEnded, type Packet, packet, readPacket } from "./packets.ts";

/** How a milter ends a message, or one recipient. */
export type MilterVerdict =
  | { readonly kind: "accept" }
  | { readonly kind: "discard" }
  | { readonly kind: "quarantine"; readonly reason: string }
  | { readonly kind: "reject"; readonly code: number; readonly status: string; readonly text: string }
  | { readonly kind: "tempfail"; readonly code: number; readonly status: string; readonly text: string };
export interface MilterOutcome {
  readonly verdict: MilterVerdict;
  /** Recipients that it alone refused, with its words. */
  readonly refused: readonly { readonly recipient: string; readonly verdict: MilterVerdict }[];
  readonly changes: readonly MessageChange[];
}

/** Bytes of one body packet (MILTER_CHUNK_SIZE). */
const CHUNK = 65_535;
const MAX_CHANGES = 10_000;

export async function talk(link: Link, question: Question): Promise<MilterOutcome> {
  const agreement = await negotiate(link);
  const dialogue = new Dialogue(link, agreement, question);
  try {
    return await dialogue.run();
  } finally {
    link.write(packet("Q"));
    await link.drained().catch(() => {});
  }
}

class Dialogue {
  readonly #link: Link;
  readonly #agreement: Agreement;
  readonly #question: Question;
  #clientName = "";

  constructor(link: Link, agreement: Agreement, question: Question) {
    this.#link = link;
    this.#agreement = agreement;
    this.#question = question;
  }

  async run(): Promise<MilterOutcome> {
    const { message, content, headers, facts } = this.#question;
    const { client, helo, from, recipients } = message;
    const reverse = client.address === "" ? undefined : await facts.reverse().catch(() => undefined);
    this.#clientName = reverse?.result === "pass" ? (reverse.name ?? "unknown") : `[${client.address}]`;
    const refused: { recipient: string; verdict: MilterVerdict }[] = [];
    const ends = (verdict: MilterVerdict): MilterOutcome => ({ verdict, refused, changes: [] });

    const early =
      (await this.#step("C", "noConnect", "silentConnect", this.#connect())) ??
      (await this.#step("H", "noHelo", "silentHelo", nulEnded(helo))) ??
      (await this.#step("M", "noMail", "silentMail", nulEnded(`<${from}>`)));
    if (early !== undefined) return ends(early);
    for (const recipient of recipients) {
      const verdict = await this.#step(
        "R",
        "noRecipients",
        "silentRecipients",
        nulEnded(`<${recipient}>`),
        recipient,
      );
      if (verdict?.kind === "accept" || verdict?.kind === "discard") return ends(verdict);
      if (verdict !== undefined) refused.push({ recipient, verdict });
    }
    const first = refused[0];
    if (first !== undefined && refused.length === recipients.length) return ends(first.verdict);
    const verdict =
      (this.#agreement.version > 3
        ? await this.#step("T", "noData", "silentData", Buffer.alloc(0))
        : undefined) ??
      (await this.#headers(headers)) ??
      (await this.#step("N", "noEndOfHeaders", "silentEndOfHeaders", Buffer.alloc(0))) ??
      (await this.#body(content, headers));
    return verdict === undefined ? this.#end(refused) : ends(verdict);
  }

  /** One step of the dialogue; undefined: it goes on. */
  async #step(
    stage: MacroStage,
    leftOut: keyof typeof steps,
    silent: keyof typeof steps,
    data: Buffer,
    recipient?: string,
  ): Promise<MilterVerdict | undefined> {
    if (this.#agreement.has(leftOut)) return undefined;
    this.#macros(stage, recipient);
    this.#link.write(packet(stage, data));
    if (this.#agreement.has(silent)) return undefined;
    return verdictOf(await this.#answer());
  }
  async #headers({ bytes, fields }: Headers): Promise<MilterVerdict | undefined> {
    if (this.#agreement.has("noHeaders")) return undefined;
    const keepsBlank = this.#agreement.has("leadingBlank");
    for (const { start, valueStart, end } of fields) {
      const name = bytes.toString("latin1", start, valueStart - 1).trimEnd();
      const value = bytes
        .toString("latin1", valueStart, end)
        .replace(/\r?\n$/, "")
        .replaceAll("\r\n", "\n");
      const told = keepsBlank ? value : value.replace(/^[ \t]/, "");
      this.#link.write(packet("L", `${name}\0${told.replaceAll("\0", "")}\0`));
      if (this.#agreement.has("silentHeaders")) {
        await this.#link.drained();
        continue;
      }
      const verdict = verdictOf(await this.#answer());
      if (verdict !== undefined) return verdict;
    }
    return undefined;
  }
  async #body(content: MessageContent, headers: Headers): Promise<MilterVerdict | undefined> {
    if (this.#agreement.has("noBody")) return undefined;
    for (let at = headers.bodyStart; at < content.size; at += CHUNK) {
      this.#link.write(packet("B", await content.read(at, Math.min(CHUNK, content.size - at))));
      await this.#link.drained();
      if (this.#agreement.has("silentBody")) continue;
      const answer = await this.#answer();
      // SMFIR_SKIP: it has seen enough of the body.
      if (answer.command === "s") return undefined;
      const verdict = verdictOf(answer);
      if (verdict !== undefined) return verdict;
    }
    return undefined;
  }
  /** End of message: modifications come until an answer that ends it. */
  async #end(refused: MilterOutcome["refused"]): Promise<MilterOutcome> {
    const { content, spool } = this.#question;
    this.#macros("E");
    this.#link.write(packet("E"));
    const changes: MessageChange[] = [];
    const body = new SpoolWriter(spool);
    const mostBody = 2 * content.size + 1_048_576;
    let isNewBody = false;
    let quarantined: MilterVerdict | undefined;
    try {
      for (;;) {
        const answer = await this.#answer();
        if (answer.command === "b") {
          if (!this.#agreement.may("changeBody"))
            throw new EngineError("nonsense", "it wants to change the body, which it did not ask for");
          isNewBody = true;
          body.add(answer.data);
          if (body.size > mostBody) throw new EngineError("nonsense", "the body it sends has no end");
          await body.relieve();
          continue;
        }
        if (answer.command === "q") {
          quarantined = { kind: "quarantine", reason: answerText(answer.data.toString("utf8")) };
          continue;
        }
        const change = modificationOf(answer, this.#agreement);
        if (change !== undefined) {
          changes.push(change);
          if (changes.length > MAX_CHANGES) throw new EngineError("nonsense", "its changes have no end");
          continue;
        }
        const verdict = verdictOf(answer) ?? { kind: "accept" };
        const isTaken = verdict.kind === "accept" || verdict.kind === "quarantine";
        if (isNewBody && isTaken) changes.push({ kind: "replace-body", body: await body.finish() });
        else await body.discard();
        return {
          verdict: isTaken ? (quarantined ?? verdict) : verdict,
          refused,
          changes: isTaken ? changes : [],
        };
      }
    } catch (error) {
      await body.discard();
      throw error;
    }
  }

  /** The next answer; SMFIR_PROGRESS only says that it lives. */
  async #answer(): Promise<Packet> {
    for (;;) {
      const answer = await readPacket(this.#link);
      if (answer.command !== "p") return answer;
    }
  }
  #macros(stage: MacroStage, recipient?: string): void {
    const { message, facts } = this.#question;
    const told = macroPacket(stage, this.#agreement.macros, {
      message,
      hostname: facts.hostname,
      clientName: this.#clientName,
      ...(recipient !== undefined && { recipient }),
    });
    if (told !== undefined) this.#link.write(told);
  }
  #connect(): Buffer {
    const { address, port } = this.#question.message.client;
    const family = { 0: "U", 4: "4", 6: "6" }[isIP(address)] ?? "U";
    if (family === "U") return Buffer.concat([nulEnded("localhost"), Buffer.from("U")]);
    const number = Buffer.alloc(2);
    number.writeUInt16BE(port & 0xffff);
    const shown = family === "6" ? `IPv6:${address}` : address;
    return Buffer.concat([nulEnded(this.#clientName), Buffer.from(family), number, nulEnded(shown)]);
  }
}

/** undefined: the dialogue goes on. Throws EngineError for what no step is answered with. */
function verdictOf({ command, data }: Packet): MilterVerdict | undefined {
  switch (command) {
    case "c":
      return undefined;
    case "a":
      return { kind: "accept" };
    case "d":
      return { kind: "discard" };
    case "r":
      return { kind: "reject", code: 550, status: "5.7.1", text: "Command rejected" };
    case "t":
      return { kind: "tempfail", code: 451, status: "4.7.1", text: "Service unavailable - try again later" };
    case "f":
      return { kind: "tempfail", code: 451, status: "4.7.0", text: "Connection failed" };
    case "4":
      return { kind: "tempfail", code: 451, status: "4.7.0", text: "Service is closing" };
    case "y":
      return replyOf(data.toString("utf8").replace(/\0.*$/s, ""));
    default:
      throw new EngineError("nonsense", `it answered ${JSON.stringify(answerText(command, 4))}`);
  }
}

/** A reply in the milter's own words: `550 5.7.1 text`, of one line or several. */
function replyOf(reply: string): MilterVerdict {
  const [, code, status, words = ""] =
    /^([45]\d\d)[ -]?(?:([45]\.\d{1,3}\.\d{1,3}) ?)?(.*)$/s.exec(reply) ?? [];
  if (code === undefined) throw new EngineError("nonsense", "it gave a reply that is none of SMTP");
  const kind = code.startsWith("5") ? 5 : 4;
  const text = replyText(
    words.replace(/\r?\n[45]\d\d[ -]?(?:[45]\.\d{1,3}\.\d{1,3} ?)?/g, " ").replaceAll("%%", "%"),
  );
  return {
    kind: kind === 5 ? "reject" : "tempfail",
    // 421 would end the client's connection, which is not the milter's.
    code: code === "421" ? 451 : Number(code),
    status: statusOr(status, kind),
    text: text === "" ? "Rejected" : text,
  };
}
