import assert from "node:assert/strict";
import { once } from "node:events";
import { createServer, type Socket } from "node:net";
import { test } from "node:test";
import type { Protocol } from "../../mailserver-runtime/settings/schema.ts";
import { bannerProblem } from "./banner.ts";

async function problem(protocol: Protocol, greet: (socket: Socket) => void, patience = 1_000) {
  const sockets = new Set<Socket>();
  const server = createServer((socket) => {
    sockets.add(socket);
    socket.on("error", () => {});
    greet(socket);
  }).listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as { port: number };
  const found = await bannerProblem({ protocol, address: "127.0.0.1", port, proxyProtocol: [] }, patience);
  for (const socket of sockets) socket.destroy();
  server.close();
  return found;
}

test("a greeting is what makes a listener healthy (RFC 5321 §4.3.1, RFC 9051 §7.1.5)", async () => {
  assert.equal(await problem("smtp", (socket) => socket.write("220-mail.green.test ES")), undefined);
  assert.equal(
    await problem("imap", (socket) => socket.write("* OK [CAPABILITY IMAP4rev1] ready\r\n")),
    undefined,
  );
});

test("a listener that begins with TLS is healthy when it takes the connection (RFC 8314)", async () => {
  assert.equal(await problem("imaps", () => {}), undefined);
});

test("silence, a closed connection and another greeting are told apart", async () => {
  assert.match((await problem("smtp", () => {}, 50))!, /does not greet/);
  assert.match((await problem("smtp", (socket) => socket.end()))!, /closes connections without a greeting/);
  assert.match((await problem("smtp", (socket) => socket.write("554 no\r\n")))!, /greets with "554 no"/);
});

test("a port that nobody listens on is told with its protocol", async () => {
  assert.match(
    (await bannerProblem({ protocol: "imap", address: "127.0.0.1", port: 1, proxyProtocol: [] }, 500))!,
    /^imap on 127\.0\.0\.1 port 1 does not answer \(ECONNREFUSED\)/,
  );
});
