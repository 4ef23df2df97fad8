/**
 * A session between two transactions, as it moves to another process of the server with its socket (DESIGN D7).
 *
 * A sender that keeps its connection for thousands of messages would stay with the process that accepted it, however busy
 * that is. Only without TLS, whose state cannot be handed over, and only where the client has sent nothing that is unread.
 */
import type { Session } from "./session.ts";

/** What a session knows of its client between two transactions. Plain data. */
export interface SessionState {
  readonly helo: string | undefined;
  readonly extended: boolean;
  readonly errors: number;
  readonly idleCommands: number;
  readonly messages: number;
}

export function stateOf({ helo, extended, errors, idleCommands, messages }: Session): SessionState {
  return { helo, extended, errors, idleCommands, messages };
}
export function resume(session: Session, state: SessionState): void {
  Object.assign(session, state);
}

/** Whether the session stands where it could be taken up elsewhere. */
export function isMovable(session: Session): boolean {
  const { connection, transaction, account } = session;
  return (
    transaction === undefined &&
    account === undefined &&
    connection.tls === undefined &&
    connection.buffered() === 0 &&
    !connection.closed
  );
}
