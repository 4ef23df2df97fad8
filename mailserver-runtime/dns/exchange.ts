/**
 * One question put to one name server: UDP first, TCP when the answer was cut (RFC 7766 §5), without EDNS when the
 * server does not know it (RFC 6891 §7).
 *
 * Against forged answers (RFC 5452): a fresh socket with a port of the system's choice for each question, a random id,
 * a connected socket that takes packets from the asked server alone, and an answer only counts when its id and question
 * are those asked. Packets that fail are passed over, not believed and not fatal, so a forger cannot end a look-up.
 */
import { randomInt } from "node:crypto";
import dgram from "node:dgram";
import net from "node:net";
import type { RecordType } from "./records.ts";
import { decodeMessage, encodeQuery, framed, type Message, RCODES } from "./wire.ts";

/** Where a name server listens. */
export interface ServerAddress {
  readonly address: string;
  readonly port: number;
}

export interface Exchange {
  readonly server: ServerAddress;
  readonly name: string;
  readonly type: RecordType;
  /** For each transport try. */
  readonly timeoutMs: number;
  readonly signal: AbortSignal;
}

/** A matching response, or why there is none ("no answer within 1500 ms"). */
export type ExchangeResult =
  | { readonly message: Message; readonly size: number }
  | { readonly failure: string };

/** Packets passed over in one exchange before the server is given up: someone is guessing. */
const MAX_STRAY_PACKETS = 64;

/** Asks one server. Never rejects. */
export async function ask(exchange: Exchange): Promise<ExchangeResult> {
  const first = await askUdp(exchange, "edns");
  const answer =
    "message" in first && (first.message.rcode === RCODES.FORMERR || first.message.rcode === RCODES.NOTIMP)
      ? await askUdp(exchange, "classic")
      : first;
  if ("message" in answer && answer.message.truncated) return askTcp(exchange);
  return answer;
}

function askUdp(exchange: Exchange, edns: "edns" | "classic"): Promise<ExchangeResult> {
  const { server, name, type, timeoutMs, signal } = exchange;
  const id = randomInt(65_536);
  return new Promise((resolve) => {
    const socket = dgram.createSocket(net.isIPv6(server.address) ? "udp6" : "udp4");
    const timer = setTimeout(() => end({ failure: `no answer within ${timeoutMs} ms` }), timeoutMs);
    const abort = () => end({ failure: "given up" });
    let strays = 0;
    let ended = false;
    if (signal.aborted) return abort();
    signal.addEventListener("abort", abort, { once: true });
    socket.on("error", (error) => end({ failure: error.message }));
    socket.on("message", (octets) => {
      const message = matching(octets, id, exchange);
      if (message !== undefined) return end({ message, size: octets.length });
      if (++strays > MAX_STRAY_PACKETS) end({ failure: "too many packets that do not answer the question" });
    });
    socket.once("connect", () => {
      // The socket may be closed already, when an abort came before the connection.
      if (!ended) socket.send(encodeQuery(id, name, type, edns));
    });
    // Without a callback: a failed connection comes as "error" then, instead of as the callback's argument.
    socket.connect(server.port, server.address);

    function end(result: ExchangeResult): void {
      if (ended) return;
      ended = true;
      clearTimeout(timer);
      signal.removeEventListener("abort", abort);
      socket.close();
      resolve(result);
    }
  });
}

function askTcp(exchange: Exchange): Promise<ExchangeResult> {
  const { server, name, type, timeoutMs, signal } = exchange;
  const id = randomInt(65_536);
  return new Promise((resolve) => {
    const socket = net.connect({ host: server.address, port: server.port });
    const timer = setTimeout(() => end({ failure: `no answer over TCP within ${timeoutMs} ms` }), timeoutMs);
    const abort = () => end({ failure: "given up" });
    let received: Buffer = Buffer.alloc(0);
    let ended = false;
    if (signal.aborted) return abort();
    signal.addEventListener("abort", abort, { once: true });
    socket.on("error", (error) => end({ failure: `TCP: ${error.message}` }));
    socket.on("close", () => end({ failure: "TCP: the connection was closed before the answer" }));
    socket.on("connect", () => socket.write(framed(encodeQuery(id, name, type, "edns"))));
    socket.on("data", (chunk: Buffer) => {
      received = Buffer.concat([received, chunk]);
      if (received.length < 2) return;
      const length = received.readUInt16BE(0);
      if (received.length < 2 + length) return;
      const octets = received.subarray(2, 2 + length);
      const message = matching(octets, id, exchange);
      end(
        message === undefined
          ? { failure: "TCP: the answer is malformed or another's" }
          : { message, size: length },
      );
    });

    function end(result: ExchangeResult): void {
      if (ended) return;
      ended = true;
      clearTimeout(timer);
      signal.removeEventListener("abort", abort);
      socket.destroy();
      resolve(result);
    }
  });
}

/** The message, when it answers what was asked (RFC 5452 §9.1). A FORMERR may come without the question. */
function matching(octets: Buffer, id: number, exchange: Exchange): Message | undefined {
  const message = decodeMessage(octets);
  if (message === undefined || !message.isResponse || message.id !== id || message.opcode !== 0)
    return undefined;
  const question = message.questions[0];
  if (question === undefined)
    return message.rcode === RCODES.FORMERR || message.rcode === RCODES.NOTIMP ? message : undefined;
  const asked =
    question.name.toLowerCase() === exchange.name &&
    question.type === exchange.type &&
    question.class === "IN";
  return asked ? message : undefined;
}
