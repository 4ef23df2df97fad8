/**
 * A small authoritative name server for the loopback: it answers from a directory of zone files over UDP and TCP
 * (RFC 1034, RFC 1035 §4.2, RFC 7766), so that MX, SPF, DKIM and DMARC of the local target work without the internet.
 *
 * It answers for its zones and refuses everything else; it does not recurse, transfer or update. Octets that cannot be
 * read get FORMERR when they are recognisably a query and silence otherwise; responses are never answered, so two
 * servers cannot be made to talk to each other for ever. TCP clients are few, bounded in what they can make the server
 * hold, and cut off when idle.
 */
import dgram from "node:dgram";
import net from "node:net";
import type { Log } from "../net/log.ts";
import {
  CLASSIC_UDP_PAYLOAD,
  decodeHeader,
  decodeMessage,
  encodeBareResponse,
  encodeResponse,
  framed,
  type Question,
  type Response,
  UDP_PAYLOAD,
} from "./wire.ts";
import { answerFrom, type Zones } from "./zone.ts";
import { openZoneDirectory, type ZoneProblem } from "./zone-directory.ts";

export interface NameServerOptions {
  /** The address to listen at, e.g. "127.0.0.1" or "::1". */
  readonly address: string;
  /** The port for UDP and TCP; 0 lets the system choose one that is free for both. */
  readonly port: number;
  /** The directory of `<origin>.zone` files. */
  readonly zoneDirectory: string;
  readonly log: Log;
}

export interface NameServer {
  readonly port: number;
  /** Reads the zone files again; resolves when they are in force. */
  reload(): Promise<void>;
  /** What is wrong in the zone files. */
  problems(): readonly ZoneProblem[];
  /** Frees the port and ends every connection. */
  close(): Promise<void>;
}

/** The address and port could not be had; the message names them and who else may hold them. */
export class NameServerError extends Error {
  override name = "NameServerError";
  readonly code: "port-in-use" | "permission" | "address";

  constructor(code: NameServerError["code"], message: string, cause: unknown) {
    super(message, { cause });
    this.code = code;
  }
}

const OPCODE_QUERY = 0;
const MAX_TCP_CONNECTIONS = 64;
const TCP_IDLE_MS = 10_000;
/** A question has at most 271 octets and a little EDNS; what claims more is not a question. */
const MAX_TCP_QUERY = 4096;
const MAX_TCP_RESPONSE = 65_535;
/** Tries to find a port that is free for UDP and TCP alike. */
const PORT_ATTEMPTS = 20;

/**
 * Starts the server.
 *
 * @throws {NameServerError} when the address or port cannot be had
 */
export async function startNameServer(options: NameServerOptions): Promise<NameServer> {
  const { address, log } = options;
  const directory = await openZoneDirectory(options.zoneDirectory, log);
  const connections = new Set<net.Socket>();
  try {
    const { udp, tcp, port } = await bindBoth(address, options.port);
    udp.on("message", (octets, from) => {
      const answer = answerQuery(directory.zones(), octets, "udp");
      // A client that is gone or unreachable is no concern of the server.
      if (answer !== undefined) udp.send(answer, from.port, from.address, () => {});
    });
    udp.on("error", (error) => log.warn({ error: error.message }, "name server socket failed"));
    tcp.maxConnections = MAX_TCP_CONNECTIONS;
    tcp.on("connection", (socket) => serveConnection(socket, connections, () => directory.zones()));
    tcp.on("error", (error) => log.warn({ error: error.message }, "name server socket failed"));
    log.info({ address, port, zones: directory.zones().size }, "name server is listening");
    return {
      port,
      reload: () => directory.reload(),
      problems: () => directory.problems(),
      async close() {
        directory.close();
        for (const socket of connections) socket.destroy();
        await Promise.all([
          new Promise<void>((resolve) => udp.close(() => resolve())),
          new Promise<void>((resolve) => tcp.close(() => resolve())),
        ]);
      },
    };
  } catch (error) {
    directory.close();
    throw error;
  }
}

/** The octets to send for the octets received; undefined for silence. */
export function answerQuery(zones: Zones, octets: Buffer, transport: "udp" | "tcp"): Buffer | undefined {
  const header = decodeHeader(octets);
  if (header === undefined || header.isResponse) return undefined;
  if (header.opcode !== OPCODE_QUERY) return encodeBareResponse(header, "NOTIMP");
  const query = decodeMessage(octets);
  const question = query?.questions[0];
  if (query === undefined || question === undefined || !canBeRepeated(question))
    return encodeBareResponse(header, "FORMERR");
  const limit =
    transport === "tcp"
      ? MAX_TCP_RESPONSE
      : Math.min(UDP_PAYLOAD, Math.max(CLASSIC_UDP_PAYLOAD, query.edns?.payload ?? 0));
  return encodeResponse(query, respond(), limit);

  function respond(): Response {
    const refused = { authoritative: false, answers: [], authorities: [] };
    if (query!.edns !== undefined && query!.edns.version !== 0) return { rcode: "BADVERS", ...refused };
    if (question!.class !== "IN" || question!.type === "AXFR" || question!.type === "IXFR")
      return { rcode: "REFUSED", ...refused };
    return answerFrom(zones, { name: question!.name.toLowerCase(), type: question!.type });
  }
}

/** Whether an answer can repeat the question octet by octet; names beyond ASCII are in no zone here. */
function canBeRepeated(question: Question): boolean {
  return /^[!-~]*$/.test(question.name) && !question.class.startsWith("UNKNOWN");
}

/** Answers queries behind their length, one after another; a client that does not read stops being read from. */
function serveConnection(socket: net.Socket, connections: Set<net.Socket>, zones: () => Zones): void {
  connections.add(socket);
  let buffered: Buffer = Buffer.alloc(0);
  socket.setTimeout(TCP_IDLE_MS, () => socket.destroy());
  socket.on("close", () => connections.delete(socket));
  socket.on("error", () => socket.destroy());
  socket.on("data", (chunk: Buffer) => {
    buffered = buffered.length === 0 ? chunk : Buffer.concat([buffered, chunk]);
    answerBuffered();
  });
  socket.on("drain", () => {
    socket.resume();
    answerBuffered();
  });

  /** Stops as soon as the client's window is full, so that short questions cannot pile up long answers. */
  function answerBuffered(): void {
    while (buffered.length >= 2 && !socket.isPaused()) {
      const length = buffered.readUInt16BE(0);
      if (length > MAX_TCP_QUERY) return void socket.destroy();
      if (buffered.length < 2 + length) return;
      const answer = answerQuery(zones(), buffered.subarray(2, 2 + length), "tcp");
      if (answer === undefined) return void socket.destroy();
      buffered = buffered.subarray(2 + length);
      if (!socket.write(framed(answer))) socket.pause();
    }
  }
}

async function bindBoth(address: string, wanted: number) {
  for (let attempt = 1; ; attempt++) {
    const udp = await bindUdp(address, wanted);
    const port = udp.address().port;
    try {
      return { udp, tcp: await bindTcp(address, port), port };
    } catch (error) {
      udp.close();
      // The system chose a port that is taken for TCP: choose again.
      if (wanted !== 0 || attempt >= PORT_ATTEMPTS) throw error;
    }
  }
}

function bindUdp(address: string, port: number): Promise<dgram.Socket> {
  const socket = dgram.createSocket(net.isIPv6(address) ? "udp6" : "udp4");
  return new Promise((resolve, reject) => {
    socket.once("error", (error) => {
      socket.close();
      reject(bindError(error, "UDP", address, port));
    });
    socket.bind({ address, port, exclusive: true }, () => {
      socket.removeAllListeners("error");
      resolve(socket);
    });
  });
}

function bindTcp(address: string, port: number): Promise<net.Server> {
  const server = net.createServer();
  return new Promise((resolve, reject) => {
    server.once("error", (error) => reject(bindError(error, "TCP", address, port)));
    server.listen({ host: address, port, exclusive: true }, () => {
      server.removeAllListeners("error");
      resolve(server);
    });
  });
}

function bindError(
  error: NodeJS.ErrnoException,
  transport: string,
  address: string,
  port: number,
): NameServerError {
  const where = `${transport} port ${port} at ${address}`;
  switch (error.code) {
    case "EADDRINUSE":
      return new NameServerError(
        "port-in-use",
        `The name server cannot have ${where}: another program holds it. Set dns.authoritative.port to a free one.`,
        error,
      );
    case "EACCES":
    case "EPERM":
      return new NameServerError(
        "permission",
        `The name server may not bind ${where}: ports below 1024 need a privilege. Choose a port above.`,
        error,
      );
    default:
      return new NameServerError("address", `The name server cannot bind ${where}: ${error.message}.`, error);
  }
}
