import assert from "node:assert/strict";
import { once } from "node:events";
import { createServer } from "node:net";
import { test } from "node:test";
import { describeHolders, listeningSockets, portHolders } from "./ports.ts";

test("the holder of a port is found with its process", { skip: process.platform !== "linux" }, async () => {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as { port: number };
  const [holder, ...others] = await portHolders([port]);
  server.close();
  assert.deepEqual(others, []);
  assert.equal(holder?.pid, process.pid);
  assert.match(describeHolders([holder!]), new RegExp(`^port ${port} \\(held by process ${process.pid}: `));
});

test("a free port has no holder", async () => {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as { port: number };
  server.close();
  await once(server, "close");
  assert.deepEqual(await portHolders([port]), []);
});

test("only listening sockets of /proc/net/tcp count", () => {
  const table = `  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
   0: 0100007F:09DD 00000000:0000 0A 00000000:00000000 00:00000000 00000000  1000        0 4711 1 0
   1: 0100007F:09DE 0100007F:0050 01 00000000:00000000 00:00000000 00000000  1000        0 4712 1 0
   2: 00000000000000000000000000000000:0477 00000000000000000000000000000000:0000 0A 0:0 0:0 0 1000 0 4713 1 0`;
  assert.deepEqual(
    [...listeningSockets(table)],
    [
      ["4711", 2525],
      ["4713", 1143],
    ],
  );
});

test("holders are told together, one clause each", () => {
  assert.equal(
    describeHolders([
      { port: 1, pid: 7, command: "node a.ts" },
      { port: 2 },
      { port: 3, pid: 7, command: "node a.ts" },
    ]),
    "ports 1, 3 (held by process 7: node a.ts) and port 2 (held by a process of another user; 'ss -ltnp' as root names it)",
  );
});
