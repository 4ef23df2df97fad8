/** A text protocol as a client speaks it, line by line: all that SMTP (RFC 5321) and IMAP (RFC 9051) need here. */
import { once } from "node:events";
import { connect, type Socket } from "node:net";
import { connect as connectTls } from "node:tls";

export interface Place {
  readonly host: string;
  readonly port: number;
}

/** The other side said something else, or nothing; the message has what was waited for and what came. */
export class DialogueError extends Error {
  override name = "DialogueError";
}

export class LineDialogue {
  #socket: Socket;
  #text = "";
  #ended: string | undefined;
  readonly #signal: AbortSignal;

  private constructor(socket: Socket, signal: AbortSignal) {
    this.#socket = socket;
    this.#signal = signal;
    this.#listen();
  }

  /** @param signal ends the dialogue; every wait rejects then */
  static async open(place: Place, security: "tls" | "plain", signal: AbortSignal): Promise<LineDialogue> {
    const socket = security === "tls" ? connectTls({ ...place, ...uncertified }) : connect(place);
    // Whoever aborts must not find an error without a listener.
    socket.on("error", () => {});
    await once(socket, security === "tls" ? "secureConnect" : "connect", { signal }).catch((error) => {
      socket.destroy();
      throw new DialogueError(`no connection: ${reasonOf(error)}`);
    });
    return new LineDialogue(socket, signal);
  }

  send(line: string): void {
    this.#socket.write(`${line}\r\n`, "latin1");
  }

  /** Everything up to the line that matches, which the answer ends with. */
  async expect(line: RegExp): Promise<string> {
    for (;;) {
      const found = new RegExp(`^(?:${line.source})[^\\n]*\\r?\\n`, "m").exec(this.#text);
      if (found !== null) {
        const end = found.index + found[0].length;
        const answer = this.#text.slice(0, end);
        this.#text = this.#text.slice(end);
        return answer;
      }
      const said = this.#text.trim().slice(0, 200);
      if (this.#ended !== undefined)
        throw new DialogueError(`${this.#ended}${said === "" ? "" : ` after "${said}"`}`);
      await once(this.#socket, "more", { signal: this.#signal }).catch(() => {
        const came = this.#text.trim().slice(0, 200);
        throw new DialogueError(came === "" ? "no answer in time" : `"${came}" came`);
      });
    }
  }

  /** Sends a line and waits for the answer; one that begins otherwise fails at once. */
  async ask(line: string, answer: RegExp, refusal: RegExp): Promise<string> {
    this.send(line);
    const text = await this.expect(new RegExp(`${answer.source}|${refusal.source}`));
    const last = text.trimEnd().split(/\r?\n/).at(-1) ?? "";
    if (!new RegExp(`^(?:${answer.source})`).test(last))
      throw new DialogueError(`"${last.slice(0, 200)}" to ${line.split(" ")[0]}`);
    return text;
  }

  /** Goes on over TLS (after STARTTLS was agreed on). */
  async secure(): Promise<void> {
    this.#socket.removeAllListeners("data");
    const plain = this.#socket;
    this.#socket = connectTls({ socket: plain, ...uncertified });
    this.#socket.on("error", () => {});
    await once(this.#socket, "secureConnect", { signal: this.#signal }).catch((error) => {
      throw new DialogueError(`no TLS: ${reasonOf(error)}`);
    });
    this.#listen();
  }

  close(): void {
    this.#socket.destroy();
  }

  #listen(): void {
    const socket = this.#socket;
    const wake = (ended?: string) => {
      this.#ended ??= ended;
      socket.emit("more");
    };
    socket.setEncoding("latin1");
    socket.on("data", (text: string) => {
      this.#text += text;
      wake();
    });
    socket.on("end", () => wake("the connection was closed"));
    socket.on("error", (error) => wake(`the connection broke (${error.message})`));
  }
}

/** Whose certificate it is `tls status` says; here the way is what counts, and it does not leave the machine. */
const uncertified = { rejectUnauthorized: false } as const;

function reasonOf(error: unknown): string {
  const { name, code, message } = error as NodeJS.ErrnoException;
  return name === "AbortError" ? "no answer in time" : (code ?? message);
}
