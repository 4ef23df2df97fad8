/**
 * HTTP for what belongs to mail: proofs for certificate authorities, MTA-STS policies, settings for mail clients and the
 * metrics. Node's parser over our connections, and bounded: a request has 16 KiB of headers and 64 KiB of body at most,
 * and a connection lasts a minute, ten seconds of silence and 20 requests at most.
 */
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { Duplex } from "node:stream";
import type { Connection } from "../net/connection.ts";
import type { Log } from "../net/log.ts";
import { type Answer, answerTo, type Request } from "./answers.ts";
import { connectionStream } from "./connection-stream.ts";
import type { WebFacts } from "./web-facts.ts";

const HEADER_BYTES = 16_384;
const BODY_BYTES = 65_536;
const limits = { wholeMs: 60_000, idleMs: 10_000 };
const REQUESTS = 20;

/** What serves a connection of an `http` or `https` listener; its promise settles when the connection is done. */
export function createWebServer(facts: WebFacts, log: Log): (connection: Connection) => Promise<void> {
  const connectionOf = new WeakMap<Duplex, Connection>();
  const server = createServer(
    // Its own time limits hold for servers that listen; those of the stream hold here.
    { maxHeaderSize: HEADER_BYTES },
    (request, response) => {
      const connection = connectionOf.get(request.socket);
      if (connection === undefined) return void response.destroy();
      handle(request, response, connection).catch((error: unknown) => {
        log.error(
          { event: "http-failed", client: connection.remote.address, err: error },
          "a request failed",
        );
        if (response.headersSent) response.destroy();
        else send(response, { status: 500, type: "text/plain", body: "The server failed.\n" });
      });
    },
  );
  server.maxRequestsPerSocket = REQUESTS;
  server.on("clientError", (_error, stream) => {
    if (stream.writable)
      stream.end("HTTP/1.1 400 Bad Request\r\nconnection: close\r\ncontent-length: 0\r\n\r\n");
    else stream.destroy();
  });

  async function handle(request: IncomingMessage, response: ServerResponse, connection: Connection) {
    const body = await bodyOf(request);
    if (body === undefined) {
      send(response, {
        status: 413,
        type: "text/plain",
        body: "Too large.\n",
        headers: { connection: "close" },
      });
      return;
    }
    const asked = requestOf(request, body, connection);
    const answer: Answer =
      asked === undefined
        ? { status: 400, type: "text/plain", body: "The request names no resource.\n" }
        : await answerTo(asked, facts);
    log.info({
      event: "http",
      client: connection.remote.address,
      method: request.method,
      host: asked?.host,
      path: asked?.path.slice(0, 200),
      status: answer.status,
    });
    send(response, answer);
  }

  return (connection) =>
    new Promise((resolve) => {
      const stream = connectionStream(connection, limits);
      connectionOf.set(stream, connection);
      stream.on("error", () => {});
      stream.once("close", () => resolve());
      server.emit("connection", stream);
    });
}

function send(response: ServerResponse, { status, type, body, headers }: Answer): void {
  response.writeHead(status, {
    "content-type": type,
    "content-length": Buffer.byteLength(body),
    "cache-control": "no-store",
    "x-content-type-options": "nosniff",
    ...headers,
  });
  response.end(response.req.method === "HEAD" ? undefined : body);
}

/** Undefined where it is too large. */
async function bodyOf(request: IncomingMessage): Promise<string | undefined> {
  const chunks: Buffer[] = [];
  let length = 0;
  // Whoever sends too much is answered before the connection ends.
  for await (const chunk of request.iterator({ destroyOnReturn: false }) as AsyncIterable<Buffer>) {
    length += chunk.length;
    if (length > BODY_BYTES) return undefined;
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString("utf8");
}

function requestOf(request: IncomingMessage, body: string, connection: Connection): Request | undefined {
  const { method = "", url = "", headers } = request;
  if (!url.startsWith("/") || !URL.canParse(url, "http://host")) return undefined;
  const { pathname, searchParams } = new URL(url, "http://host");
  return {
    method,
    host: (headers.host ?? "").toLowerCase().replace(/:\d*$/, "").replace(/\.$/, ""),
    path: pathname,
    query: searchParams,
    body,
    client: connection.remote.address,
    secure: connection.tls !== undefined,
  };
}
