/**
 * A row of the command table: what a command is called, when it may come, how it is read and what it does.
 *
 * One file in this folder is one command (or one command and its UID form), so a reader who knows the RFC
 * finds the code in one step.
 */
import type { Cursor } from "../grammar/cursor.ts";
import type { Session, State } from "../session.ts";

/** How a command ends: the tagged line. */
export interface Completion {
  readonly status: "OK" | "NO" | "BAD";
  /** Response code without brackets (RFC 5530, and the RFC of the command). */
  readonly code?: string;
  readonly text: string;
}
export const ok = (text: string, code?: string): Completion => ({ status: "OK", text, code });
export const no = (text: string, code?: string): Completion => ({ status: "NO", text, code });
export const bad = (text: string, code?: string): Completion => ({ status: "BAD", text, code });

export interface CommandRow<Arguments> {
  /** Upper case; "UID FETCH" for a UID form. */
  readonly name: string;
  readonly states: readonly State[];
  /** False where EXPUNGE must not be told at its end, because it speaks in sequence numbers (RFC 9051 §7.5.1). */
  readonly expunges?: boolean;
  /** The command takes a message as a literal after so many arguments; it reads that literal itself. */
  readonly messageAfter?: number;
  /** Reads the arguments, from behind the name; throws GrammarError. */
  parse(cursor: Cursor, session: Session): Arguments;
  run(session: Session, args: Arguments): Completion | Promise<Completion>;
}

/** A row whose arguments only it knows. */
export interface Command {
  readonly name: string;
  readonly states: readonly State[];
  readonly expunges: boolean;
  readonly messageAfter: number | undefined;
  /** Reads the arguments at once, then runs. */
  execute(session: Session, cursor: Cursor): Promise<Completion>;
}

export function command<Arguments>(row: CommandRow<Arguments>): Command {
  return {
    name: row.name,
    states: row.states,
    expunges: row.expunges ?? true,
    messageAfter: row.messageAfter,
    async execute(session, cursor) {
      return row.run(session, row.parse(cursor, session));
    },
  };
}

/** For commands without arguments. */
export function nothing(cursor: Cursor): undefined {
  cursor.end();
  return undefined;
}

export const anyState = ["not-authenticated", "authenticated", "selected"] as const;
export const loggedIn = ["authenticated", "selected"] as const;
