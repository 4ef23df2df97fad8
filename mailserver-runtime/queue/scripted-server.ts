/**
 * A mail server that does what a test tells it, good or bad, for this room's tests. Each connection reads commands line by
 * line and asks the script what to say; without an answer of the script's it behaves like an ordinary server.
 */
import { createServer, type Server, type Socket } from "node:net";
import { TLSSocket, type TLSSocketOptions } from "node:tls";

export interface Received {
  readonly from: string;
  readonly recipients: readonly string[];
  /** Dot-stuffing undone. */
  readonly data: Buffer;
}
export interface Script {
  readonly greeting?: string;
  /** Lines of the EHLO answer after the first. */
  readonly extensions?: readonly string[];
  /** The key and certificate for STARTTLS; "broken" answers 220 and then garbage. */
  readonly tls?: TLSSocketOptions | "broken";
  /**
   * What to say to a command line, or to "." at the message's end: an answer without its final CRLF, "drop" to end the
   * connection, "silence" to say nothing ever; undefined for the ordinary answer.
   */
  readonly answer?: (line: string, connection: number) => string | undefined;
  /** Told of each message before its sender is. */
  readonly onMessage?: (message: Received, connection: number) => void;
}
export interface ScriptedServer {
  readonly port: number;
  readonly messages: readonly Received[];
  /** Every command line of every connection. */
  readonly commands: readonly string[];
  readonly connections: () => number;
  close(): Promise<void>;
}

const ordinary: Readonly<Record<string, string>> = {
  EHLO: "250 scripted",
  HELO: "250 scripted",
  MAIL: "250 2.1.0 ok",
  RCPT: "250 2.1.5 ok",
  DATA: "354 go on",
  RSET: "250 2.0.0 ok",
  QUIT: "221 2.0.0 bye",
  STARTTLS: "220 2.0.0 go on",
  ".": "250 2.0.0 taken",
};

export async function scriptedServer(script: Script = {}): Promise<ScriptedServer> {
  const messages: Received[] = [];
  const commands: string[] = [];
  const sockets = new Set<Socket>();
  let connections = 0;
  const server: Server = createServer((socket) => {
    connections += 1;
    sockets.add(socket);
    socket.on("close", () => sockets.delete(socket));
    talk(socket, script, connections, commands, messages, true);
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const address = server.address();
  return {
    port: typeof address === "object" && address !== null ? address.port : 0,
    messages,
    commands,
    connections: () => connections,
    async close() {
      for (const socket of sockets) socket.destroy();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

function talk(
  socket: Socket,
  script: Script,
  connection: number,
  commands: string[],
  messages: Received[],
  greet: boolean,
): void {
  let input = Buffer.alloc(0);
  let inData = false;
  let silent = false;
  let from = "";
  let recipients: string[] = [];
  socket.on("error", () => {});
  const say = (text: string | undefined): void => {
    if (text === "drop") socket.destroy();
    else if (text === "silence") silent = true;
    else if (text !== undefined && !silent && !socket.destroyed) socket.write(`${text}\r\n`, "latin1");
  };
  const command = (line: string): void => {
    commands.push(line);
    const verb = line.split(/[ :]/)[0]?.toUpperCase() ?? "";
    const extensions = script.extensions ?? [];
    const hello = ["250-scripted", ...extensions.map((each) => `250-${each}`), "250 HELP"].join("\r\n");
    const usual = verb === "EHLO" ? hello : (ordinary[verb] ?? "500 5.5.1 what?");
    const answer = script.answer?.(line, connection) ?? usual;
    say(answer);
    if (answer.startsWith("250") && verb === "MAIL") [from, recipients] = [line, []];
    if (answer.startsWith("250") && verb === "RCPT") recipients.push(line);
    if (answer.startsWith("354")) inData = true;
    if (verb === "QUIT") socket.end();
    if (verb === "STARTTLS" && answer.startsWith("220")) secure();
  };
  const secure = (): void => {
    socket.removeListener("data", onData);
    if (script.tls === "broken") socket.write("this is no handshake\r\n");
    else if (script.tls !== undefined) {
      const upgraded = new TLSSocket(socket, { ...script.tls, isServer: true });
      talk(upgraded, script, connection, commands, messages, false);
    }
  };
  const onData = (bytes: Buffer): void => {
    input = Buffer.concat([input, bytes]);
    for (;;) {
      if (inData) {
        const end = input.indexOf("\r\n.\r\n");
        const empty = input.subarray(0, 3).equals(Buffer.from(".\r\n"));
        if (end < 0 && !empty) return;
        const raw = empty ? Buffer.alloc(0) : input.subarray(0, end + 2);
        input = input.subarray(empty ? 3 : end + 5);
        inData = false;
        const data = Buffer.from(raw.toString("latin1").replace(/^\./gm, ""), "latin1");
        const answer = script.answer?.(".", connection) ?? ordinary["."];
        if (answer?.startsWith("250")) {
          const message = { from, recipients, data };
          messages.push(message);
          script.onMessage?.(message, connection);
        }
        say(answer);
        continue;
      }
      const newline = input.indexOf("\r\n");
      if (newline < 0) return;
      const line = input.toString("latin1", 0, newline);
      input = input.subarray(newline + 2);
      command(line);
    }
  };
  socket.on("data", onData);
  if (greet) say(script.answer?.("(connected)", connection) ?? script.greeting ?? "220 scripted ESMTP");
}
