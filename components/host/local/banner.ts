/**
 * Whether a listener serves: a protocol whose server speaks first has to greet (RFC 5321 §4.3.1, RFC 9051 §7.1.5), one that
 * begins with TLS has to take the connection.
 */
import { connect } from "node:net";
import type { Listener, Protocol } from "../../../mailserver-runtime/settings/schema.ts";

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

/** Undefined when the listener serves, else what it did instead. */
export function bannerProblem(listener: Listener, milliseconds: number): Promise<string | undefined> {
  // Nobody but the named proxies may connect there; that it is bound is all that can be asked.
  const greeting = listener.proxyProtocol.length > 0 ? undefined : greetings[listener.protocol];
  const name = `${listener.protocol} on ${listener.address} port ${listener.port}`;
  return new Promise((resolve) => {
    const socket = connect({ host: clientAddress(listener.address), port: listener.port });
    let text = "";
    const finish = (problem?: string) => {
      socket.destroy();
      resolve(problem);
    };
    socket.setTimeout(Math.max(1, milliseconds), () =>
      finish(`${name} accepts connections but does not greet`),
    );
    socket.on("error", (error: NodeJS.ErrnoException) => finish(`${name} does not answer (${error.code})`));
    socket.on("close", () => finish(`${name} closes connections without a greeting`));
    socket.on("connect", () => {
      if (!greeting) finish();
    });
    socket.on("data", (chunk) => {
      text += chunk.toString("latin1");
      if (greeting?.test(text)) finish();
      else if (text.includes("\n")) finish(`${name} greets with ${JSON.stringify(text.slice(0, 80).trim())}`);
    });
  });
}
