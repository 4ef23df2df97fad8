/**
 * Whether a listener serves: a protocol whose server speaks first has to greet (RFC 5321 §4.3.1, RFC 9051 §7.1.5), one that
 * begins with TLS has to take the connection.
 */
import { connect } from "node:net";
import type { Duplex } from "node:stream";
import type { Listener, Protocol } from "../../mailserver-runtime/settings/schema.ts";

const greetings: Partial<Record<Protocol, RegExp>> = {
  smtp: /^220[ -]/,
  submission: /^220[ -]/,
  lmtp: /^220[ -]/,
  imap: /^\* (OK|PREAUTH) /,
  pop3: /^\+OK/,
  managesieve: /^"IMPLEMENTATION"/i,
};

/** The address a client of this machine uses for a listener's address. */
export function clientAddress(address: string): string {
  if (address === "::" || address === "0.0.0.0" || address === "") return "127.0.0.1";
  return address;
}

/** Opens a connection; rejects with why it cannot (`ECONNREFUSED`). */
export type Open = (address: string, port: number) => Promise<Duplex>;

const openHere: Open = (host, port) =>
  new Promise((resolve, reject) => {
    const socket = connect({ host, port });
    socket.once("connect", () => resolve(socket));
    socket.once("error", (error: NodeJS.ErrnoException) => reject(new Error(error.code)));
  });

/** Undefined when the listener serves, else what it did instead. */
export async function bannerProblem(
  listener: Listener,
  milliseconds: number,
  open: Open = openHere,
): Promise<string | undefined> {
  // Nobody but the named proxies may connect there; that it is bound is all that can be asked.
  const greeting = listener.proxyProtocol.length > 0 ? undefined : greetings[listener.protocol];
  const name = `${listener.protocol} on ${listener.address} port ${listener.port}`;
  let socket: Duplex;
  try {
    socket = await open(clientAddress(listener.address), listener.port);
  } catch (error) {
    return `${name} does not answer (${error instanceof Error ? error.message : error})`;
  }
  if (!greeting) {
    socket.destroy();
    return undefined;
  }
  return new Promise((resolve) => {
    let text = "";
    const finish = (problem?: string) => {
      clearTimeout(timer);
      resolve(problem);
      socket.destroy();
    };
    const timer = setTimeout(
      () => finish(`${name} accepts connections but does not greet`),
      Math.max(1, milliseconds),
    );
    socket.on("error", (error: NodeJS.ErrnoException) => finish(`${name} does not answer (${error.code})`));
    socket.on("close", () => finish(`${name} closes connections without a greeting`));
    socket.on("data", (chunk: Buffer) => {
      text += chunk.toString("latin1");
      if (greeting.test(text)) finish();
      else if (text.includes("\n")) finish(`${name} greets with ${JSON.stringify(text.slice(0, 80).trim())}`);
    });
  });
}

/** The first listener that does not serve, as a clause; undefined when all do. A port that the system chooses is not asked. */
export async function firstProblem(
  listeners: readonly Listener[],
  milliseconds: number,
  open?: Open,
): Promise<string | undefined> {
  const fixed = listeners.filter(({ port }) => port !== 0);
  const problems = await Promise.all(fixed.map((listener) => bannerProblem(listener, milliseconds, open)));
  return problems.find((problem) => problem !== undefined);
}
