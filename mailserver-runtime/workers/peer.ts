/**
 * Questions to another process of the server and its answers, over a local socket: a line of JSON each. Questions of one
 * turn leave together; answers come in any order.
 */
import type { Socket } from "node:net";
import { StoreError, type StoreErrorCode } from "../store/mail-store.ts";
import type { Answers, CallName, Calls, ProcessNumber } from "./calls.ts";

/** The other process ended before it answered: whether it did what it was asked is not known. */
export class PeerGone extends Error {
  override name = "PeerGone";
}
/** The account is not (or no longer) the asked process's: its owner must be asked for again. */
export class NotOwner extends Error {
  override name = "NotOwner";
}

/** An error as it travels. */
interface Failure {
  readonly name: string;
  readonly code: string;
  readonly message: string;
}
type Line =
  | { readonly id: number; readonly call: CallName; readonly request: unknown }
  | { readonly id: number; readonly answer: unknown }
  | { readonly id: number; readonly failure: Failure };

/** The asking side. */
export class Peer {
  readonly #lines: Lines;
  readonly #waiting = new Map<number, PromiseWithResolvers<unknown>>();
  #last = 0;
  #gone = false;

  /** Takes the socket over; `onGone` is called once, when it has closed. */
  constructor(socket: Socket, onGone: () => void) {
    this.#lines = new Lines(socket, (line) => this.#settle(line));
    socket.on("close", () => {
      this.#gone = true;
      const left = [...this.#waiting.values()];
      this.#waiting.clear();
      for (const { reject } of left) reject(new PeerGone("the process ended before it answered"));
      onGone();
    });
  }

  /** Rejects with PeerGone, NotOwner, StoreError, or an Error with the other side's message. */
  call<N extends CallName>(call: N, request: Calls[N]["request"]): Promise<Calls[N]["answer"]> {
    if (this.#gone) return Promise.reject(new PeerGone("the process has ended"));
    const id = ++this.#last;
    const waiter = Promise.withResolvers<unknown>();
    this.#waiting.set(id, waiter);
    this.#lines.write({ id, call, request });
    return waiter.promise as Promise<Calls[N]["answer"]>;
  }
  close(): void {
    this.#lines.socket.destroy();
  }

  #settle(line: Line): void {
    const waiter = this.#waiting.get(line.id);
    this.#waiting.delete(line.id);
    if ("failure" in line) waiter?.reject(revived(line.failure));
    else if ("answer" in line) waiter?.resolve(line.answer);
  }
}

/** The answering side: serves one socket until it closes. */
export function answerPeer(socket: Socket, from: ProcessNumber, answers: Answers): void {
  const lines: Lines = new Lines(socket, (line) => {
    if (!("call" in line)) return;
    const { id, call, request } = line;
    const perform = answers[call] as ((request: unknown, from: ProcessNumber) => unknown) | undefined;
    try {
      if (perform === undefined) throw new Error(`this process does not answer ${call}`);
      const answer = perform(request, from);
      if (!(answer instanceof Promise)) lines.write({ id, answer });
      else
        answer.then(
          (value: unknown) => lines.write({ id, answer: value }),
          (error: unknown) => lines.write({ id, failure: failureOf(error) }),
        );
    } catch (error) {
      lines.write({ id, failure: failureOf(error) });
    }
  });
}

/** Lines of JSON over a socket; those written in one turn leave in one packet. */
class Lines {
  readonly socket: Socket;
  readonly #onLine: (line: Line) => void;
  #partial = "";
  #unsent = "";

  constructor(socket: Socket, onLine: (line: Line) => void) {
    this.socket = socket;
    this.#onLine = onLine;
    socket.setEncoding("utf8");
    socket.on("data", (text: string) => this.#take(text));
    socket.on("error", () => socket.destroy());
  }

  #take(text: string): void {
    const lines = (this.#partial + text).split("\n");
    this.#partial = lines.pop()!;
    for (const line of lines) this.#onLine(JSON.parse(line) as Line);
  }
  write(line: Line): void {
    // Not at the next tick: each sync that ends is a tick of its own, and all that ended together are told together.
    if (this.#unsent === "") setImmediate(() => this.#send());
    this.#unsent += `${JSON.stringify(line)}\n`;
  }
  #send(): void {
    const text = this.#unsent;
    this.#unsent = "";
    if (this.socket.writable) this.socket.write(text);
  }
}

function failureOf(error: unknown): Failure {
  if (error instanceof StoreError) return { name: error.name, code: error.code, message: error.message };
  const { name, message } = error instanceof Error ? error : new Error(String(error));
  return { name, code: "", message };
}
function revived({ name, code, message }: Failure): Error {
  if (name === "StoreError") return new StoreError(code as StoreErrorCode, message);
  if (name === "NotOwner") return new NotOwner(message);
  return new Error(message);
}
