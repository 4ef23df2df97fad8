/**
 * From the wire to one command: lines and literals, within limits (RFC 9051 §4.3, RFC 7888).
 *
 * Literals are collected into the command's bytes exactly as they came, so that the grammar sees one Buffer.
 * A message literal (APPEND) is left on the wire for its command. A literal that is too large, or of a
 * command that will be refused, is answered without asking for it; one the client does not wait to be asked
 * for is read and forgotten up to a limit, beyond which only ending the connection keeps both sides in step.
 */
import { type Connection, ConnectionError } from "../net/connection.ts";
import type { Command } from "./commands/command.ts";
import { type Announcement, announcement, Cursor, GrammarError } from "./grammar/cursor.ts";
import type { ImapLimits } from "./limits.ts";
import type { Wire } from "./session.ts";

/** The connection has to end; the text goes into the BYE. */
export class FatalError extends Error {}
/** An answer broke in the middle: a BYE would be read as its bytes, so the connection ends without. */
export class BrokenAnswerError extends FatalError {}

/** A command whose first bytes could not be read; answered with BAD. */
export interface Received {
  /** "*" when not even the tag could be read. */
  readonly tag: string;
  readonly command: Command | undefined;
  readonly name: string;
  /** Behind the name. */
  readonly cursor: Cursor;
  /** Why it will not be run. */
  readonly refused?: { readonly status: "NO" | "BAD"; readonly code?: string; readonly text: string };
}

const LINE_END = Buffer.from("\r\n", "latin1");
const CHUNK = 64 * 1024;

export class CommandReader implements Wire {
  #connection: Connection;
  readonly #limits: ImapLimits;
  readonly #find: (name: string) => Command | undefined;
  /** Why a command cannot run now, or undefined: asked before its literals are let in. */
  readonly #refusal: (command: Command | undefined, name: string) => Received["refused"];
  readonly #write: (text: string) => void;
  readonly #patience: () => number;
  #literal: Announcement | undefined;
  /** A message literal has been taken, and the rest of its line has not. */
  #lineOpen = false;

  constructor(options: {
    readonly connection: Connection;
    readonly limits: ImapLimits;
    readonly find: (name: string) => Command | undefined;
    readonly refusal: (command: Command | undefined, name: string) => Received["refused"];
    /** Writes and sends at once. */
    readonly write: (text: string) => void;
    readonly patience: () => number;
  }) {
    this.#connection = options.connection;
    this.#limits = options.limits;
    this.#find = options.find;
    this.#refusal = options.refusal;
    this.#write = options.write;
    this.#patience = options.patience;
  }

  speakThrough(connection: Connection): void {
    this.#connection = connection;
  }

  get literal(): Announcement | undefined {
    return this.#literal;
  }

  /** The next command. Rejects with ConnectionError, or FatalError when the connection must end. */
  async next(): Promise<Received> {
    const line = await this.#line();
    const announced = announcement(line);
    const head = readHead(line);
    const command = this.#find(head.name);
    const refused = head.problem
      ? ({ status: "BAD", text: head.problem } as const)
      : this.#refusal(command, head.name);
    if (!announced) return { ...head, command, cursor: new Cursor(line, head.at), refused };
    if (refused) {
      await this.#drop(announced);
      return { ...head, command, cursor: new Cursor(line, head.at), refused };
    }
    const collected = await this.#collect(Buffer.from(line), announced, head.at, command?.messageAfter);
    if ("refused" in collected) {
      return { ...head, command, cursor: new Cursor(Buffer.alloc(0)), refused: collected.refused };
    }
    return { ...head, command, cursor: new Cursor(collected.bytes, head.at), refused };
  }

  /** Follows announcements until the command is whole, or up to its message literal. */
  async #collect(
    first: Buffer,
    announced: Announcement,
    start: number,
    messageAfter: number | undefined,
  ): Promise<{ readonly bytes: Buffer } | { readonly refused: NonNullable<Received["refused"]> }> {
    const pieces: Buffer[] = [first];
    let total = first.length;
    let next: Announcement | undefined = announced;
    while (next) {
      if (messageAfter !== undefined) {
        const bytes = Buffer.concat(pieces);
        const end = bytes.length - (pieces[pieces.length - 1]!.length - next.at);
        if (countArguments(bytes, start, end) >= messageAfter) {
          this.#literal = next;
          return { bytes: bytes.subarray(0, end) };
        }
      }
      if (next.size > this.#limits.literal || total + next.size > this.#limits.command) {
        await this.#drop(next);
        return { refused: { status: "NO", code: "TOOBIG", text: "The literal is too large here." } };
      }
      if (!next.nonSynchronizing) this.#write("+ OK\r\n");
      pieces.push(LINE_END, await this.#bytes(next.size));
      const line: Buffer = Buffer.from(await this.#line());
      pieces.push(line);
      total += next.size + line.length + 2;
      if (total > this.#limits.command) throw new FatalError("The command is too long.");
      next = announcement(line);
    }
    return { bytes: Buffer.concat(pieces) };
  }

  async #line(): Promise<Buffer> {
    return this.#connection.readLine(this.#limits.line, this.#patience(), { bareLf: true });
  }

  async #bytes(size: number): Promise<Buffer> {
    const pieces: Buffer[] = [];
    for (let left = size; left > 0; ) {
      const chunk = await this.#connection.readChunk(Math.min(left, CHUNK), this.#patience());
      pieces.push(Buffer.from(chunk));
      left -= chunk.length;
    }
    return Buffer.concat(pieces);
  }

  /** A literal of a command that is refused: one that waits for "+" is simply not asked for. */
  async #drop(announced: Announcement): Promise<void> {
    let next: Announcement | undefined = announced;
    let budget = this.#limits.message * 2 + this.#limits.command;
    while (next?.nonSynchronizing) {
      budget -= next.size;
      if (budget < 0) throw new FatalError("The literal is too large.");
      await this.#skip(next.size);
      next = announcement(await this.#line());
      budget -= 1;
    }
  }

  async #skip(size: number): Promise<void> {
    for (let left = size; left > 0; ) {
      left -= (await this.#connection.readChunk(Math.min(left, CHUNK), this.#patience())).length;
    }
  }

  async continuation(text: string, limit: number): Promise<Buffer> {
    this.#write(text === "" ? "+ \r\n" : `+ ${text}\r\n`);
    return this.#connection.readLine(limit, this.#patience(), { bareLf: true });
  }

  async receive(take: (chunk: Buffer) => Promise<void>): Promise<void> {
    const literal = this.#taken();
    if (!literal.nonSynchronizing) this.#write("+ OK\r\n");
    let left = literal.size;
    try {
      while (left > 0) {
        const chunk = await this.#connection.readChunk(Math.min(left, CHUNK), this.#patience());
        left -= chunk.length;
        await take(chunk);
      }
    } catch (error) {
      // Whoever could not take it (a full disk) must not make the client's message our next commands.
      if (!(error instanceof ConnectionError)) await this.#skip(left);
      throw error;
    }
  }

  async discard(): Promise<void> {
    if (this.#literal) {
      await this.#drop(this.#taken());
    } else if (this.#lineOpen) {
      const next = announcement(await this.#line());
      if (next) await this.#drop(next);
    }
    this.#lineOpen = false;
  }

  #taken(): Announcement {
    const literal = this.#literal;
    if (!literal) throw new Error("no literal is waiting");
    this.#literal = undefined;
    this.#lineOpen = true;
    return literal;
  }

  async rest(): Promise<Cursor> {
    const line = Buffer.from(await this.#line());
    this.#lineOpen = false;
    const next = announcement(line);
    if (!next) return new Cursor(line);
    this.#literal = next;
    return new Cursor(line, 0, next.at);
  }
}

interface Head {
  readonly tag: string;
  readonly name: string;
  /** Behind the name. */
  readonly at: number;
  readonly problem?: string;
}

/** Tag and name of a command; UID and the command it stands before are one name. */
function readHead(line: Buffer): Head {
  const cursor = new Cursor(line);
  let tag = "*";
  try {
    tag = cursor.tag();
    cursor.space();
    let name = cursor.keyword();
    if (name === "UID") {
      cursor.space();
      name = `UID ${cursor.keyword()}`;
    }
    return { tag, name, at: cursor.at };
  } catch (error) {
    if (!(error instanceof GrammarError)) throw error;
    return { tag, name: "", at: cursor.at, problem: `This is no IMAP command: ${error.message}.` };
  }
}

/** How many arguments stand complete in front of `end`: values with one space before each. */
function countArguments(bytes: Buffer, start: number, end: number): number {
  const cursor = new Cursor(bytes, start, end);
  let count = 0;
  try {
    while (cursor.take(" ") && !cursor.atEnd) {
      cursor.skipValue();
      count += 1;
    }
  } catch (error) {
    if (!(error instanceof GrammarError)) throw error;
  }
  return count;
}
