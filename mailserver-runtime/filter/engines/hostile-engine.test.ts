/** Engines that hang, die, lie or never end: mail keeps flowing by the stated policy, in bounded time and memory. */
import assert from "node:assert/strict";
import { createServer, type Socket } from "node:net";
import { type TestContext, test } from "node:test";
import { type EngineInput, filterWith, inbound, letter } from "./engine-for-tests.ts";

/** A server that does this with each connection. */
async function listening(t: TestContext, behave: (socket: Socket) => void): Promise<string> {
  const sockets = new Set<Socket>();
  const server = createServer((socket) => {
    sockets.add(socket);
    socket.on("error", () => {}).on("close", () => sockets.delete(socket));
    behave(socket);
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  t.after(() => {
    for (const socket of sockets) socket.destroy();
    server.close();
  });
  return `127.0.0.1:${(server.address() as { port: number }).port}`;
}

/** Sends for ever what the other side takes. */
function endless(socket: Socket, piece: Buffer): void {
  const go = (): void => {
    while (!socket.destroyed && socket.write(piece)) {}
  };
  socket.on("drain", go).resume();
  go();
}
const milterPacket = (command: string, data: Buffer): Buffer => {
  const head = Buffer.alloc(5);
  head.writeUInt32BE(data.length + 1);
  head.write(command, 4);
  return Buffer.concat([head, data]);
};
const repeated = (packet: Buffer): Buffer =>
  Buffer.concat(Array.from({ length: Math.floor(65_536 / packet.length) }, () => packet));
/** Version 6, everything allowed, no step answered but the end. */
const agreement = milterPacket("O", Buffer.from([0, 0, 0, 6, 0, 0, 1, 0xff, 0, 0xf, 0xf2, 0x80]));

const behaviours: Readonly<Record<string, (socket: Socket) => void>> = {
  "hangs after the connection": (socket) => socket.resume(),
  "never reads": () => {},
  "ends the connection at once": (socket) => socket.destroy(),
  "ends in the middle of its answer": (socket) =>
    socket.end("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{"),
  "answers another protocol": (socket) => socket.end("220 welcome\r\n221 bye\r\n"),
  "answers bytes without end": (socket) => endless(socket, Buffer.alloc(65_536, "x")),
  "answers lines without end": (socket) =>
    endless(socket, Buffer.from("SPAMD/1.1 0 EX_OK\r\nX: y\r\n".repeat(3000))),
  "answers HTTP without end": (socket) => {
    socket.write("HTTP/1.1 200 OK\r\n\r\n");
    endless(socket, Buffer.alloc(65_536, " "));
  },
  "answers JSON that is none of rspamd's": (socket) =>
    socket.once("data", () => socket.end('HTTP/1.1 200 OK\r\nContent-Length: 16\r\n\r\n{"action": 12345}')),
  "is a milter that changes without end": (socket) => {
    socket.write(agreement);
    endless(socket, repeated(milterPacket("h", Buffer.from("X-More\0and more\0"))));
  },
  "is a milter that writes a body without end": (socket) => {
    socket.write(agreement);
    endless(socket, milterPacket("b", Buffer.alloc(60_000, "b")));
  },
  "is a milter that reports progress without end": (socket) => {
    socket.write(agreement);
    endless(socket, repeated(milterPacket("p", Buffer.alloc(0))));
  },
  "is a milter with a packet of 2 GB": (socket) => socket.end(Buffer.from([0x7f, 0xff, 0xff, 0xff, 0x4f])),
};
const engines: readonly EngineInput[] = [
  { type: "rspamd" },
  { type: "spamd" },
  { type: "clamd" },
  { type: "milter" },
  { type: "amavis", directory: "/nonexistent" },
];

for (const engine of engines)
  for (const [name, behave] of Object.entries(behaviours))
    test(`an engine asked as ${engine.type} that ${name} harms nobody`, { timeout: 60_000 }, async (t) => {
      const address = await listening(t, behave);
      const body = "A line of text, and another.\r\n".repeat(40_000);
      const before = process.memoryUsage.rss();
      let longest = 0;
      let last = performance.now();
      const watch = setInterval(() => {
        longest = Math.max(longest, performance.now() - last - 5);
        last = performance.now();
      }, 5);
      const begin = performance.now();
      for (const onFailure of ["accept", "tempfail"]) {
        const filter = filterWith([
          { ...engine, largestBytes: 10_000_000, address, timeLimitSeconds: 0.4, onFailure },
        ]);
        const { action, findings } = await filter.inspect(inbound(letter("hi", body)));
        assert.equal(action.kind, onFailure, JSON.stringify(findings));
        assert.equal(findings[0]?.symbol, `${engine.type.toUpperCase()}_CHECK_FAILED`);
      }
      clearInterval(watch);
      assert.ok(performance.now() - begin < 15_000, `${performance.now() - begin} ms`);
      const grown = (process.memoryUsage.rss() - before) / 1_048_576;
      assert.ok(grown < 150, `${grown.toFixed(0)} MiB more`);
      // The fake engine runs in this process too, and the machine may be busy: 50 ms is what is aimed at.
      assert.ok(longest < 1000, `the loop was held for ${longest.toFixed(0)} ms`);
    });

test("an engine that is not there costs nothing, and after three failures it is not asked for a while", async () => {
  const filter = filterWith([{ type: "clamd", address: "/nonexistent/clamd.sock" }]);
  for (let round = 0; round < 5; round += 1)
    assert.equal((await filter.inspect(inbound(letter("hi")))).action.kind, "accept");
  assert.deepEqual(
    filter.asked.map(({ outcome }) => outcome),
    ["unreachable", "unreachable", "unreachable", "resting", "resting"],
  );
});
