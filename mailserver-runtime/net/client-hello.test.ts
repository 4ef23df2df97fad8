import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import { randomBytes } from "node:crypto";
import { once } from "node:events";
import { type AddressInfo, createServer, type Socket } from "node:net";
import { type TestContext, test } from "node:test";
import { type ConnectionOptions, connect } from "node:tls";
import { readClientHello, serverNameOf } from "./client-hello.ts";

/** The first bytes of a real client. */
async function helloOf(t: TestContext, options: ConnectionOptions): Promise<Buffer> {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const client = connect({ host: "127.0.0.1", port: (server.address() as AddressInfo).port, ...options });
  client.on("error", () => {});
  const [socket] = (await once(server, "connection")) as [Socket];
  t.after(() => {
    client.destroy();
    socket.destroy();
    server.close();
  });
  const record = await readClientHello(
    {
      async readChunk() {
        const [chunk] = await once(socket, "data");
        return chunk as Buffer;
      },
      unread() {},
    },
    10_000,
  );
  return record;
}

test("the name that a client asks for is read from its first record (RFC 6066 §3)", async (t) => {
  assert.equal(
    serverNameOf(await helloOf(t, { servername: "Mail.Example.org" }))?.toLowerCase(),
    "mail.example.org",
  );
  const old = { servername: "mail.example.org", maxVersion: "TLSv1.2" } as const;
  assert.equal(serverNameOf(await helloOf(t, old)), "mail.example.org");
  assert.equal(serverNameOf(await helloOf(t, { servername: "" })), undefined);
});

test("a record in pieces is put together, and what is no handshake is left as it is", async () => {
  const pieces = ["GET / HTTP/1.1\r\n\r\n"].map((text) => Buffer.from(text));
  const unread: Buffer[] = [];
  const connection = {
    readChunk: async () => pieces.shift() ?? assert.fail("read on"),
    unread: (bytes: Buffer) => void unread.push(bytes),
  };
  assert.equal(serverNameOf(await readClientHello(connection, 1000)), undefined);
  assert.equal(Buffer.concat(unread).toString(), "GET / HTTP/1.1\r\n\r\n");
});

test("no bytes make it throw or read beyond the record", async (t) => {
  const hello = await helloOf(t, { servername: "mail.example.org" });
  for (let length = 0; length < hello.length; length++) serverNameOf(hello.subarray(0, length));
  for (let round = 0; round < 20_000; round++) {
    const bytes = Buffer.from(hello);
    for (const place of randomBytes(8)) bytes[(place * 7) % bytes.length] = randomBytes(1)[0]!;
    const name = serverNameOf(bytes);
    assert.ok(name === undefined || /^[\x21-\x7e]+$/.test(name));
    serverNameOf(randomBytes(round % 200));
  }
});
