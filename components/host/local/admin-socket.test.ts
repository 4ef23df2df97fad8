import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { open } from "node:fs/promises";
import { createServer, type Server, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { askServer } from "./admin-socket.ts";

const root = mkdtempSync(join(tmpdir(), "admin-"));
after(() => rmSync(root, { recursive: true, force: true }));

async function serving(run: string, answer: (socket: Socket, line: string) => void): Promise<Server> {
  mkdirSync(run, { recursive: true });
  const directory = await open(run, "r");
  const server = createServer((socket) => {
    socket.on("error", () => {});
    socket.on("data", (chunk) => answer(socket, chunk.toString()));
  });
  await new Promise<void>((done) => server.listen(`/proc/self/fd/${directory.fd}/admin.sock`, done));
  await directory.close();
  return server;
}

const soon = (milliseconds: number) => ({ deadline: Date.now() + milliseconds });

test("one line goes there and one comes back", async () => {
  const run = join(root, "run");
  const server = await serving(run, (socket, line) => {
    socket.write(`{"echo":${line.trim()}`);
    setTimeout(() => socket.write("}\nmore"), 20);
  });
  assert.equal(await askServer(run, '{"a":1}', soon(2_000)), '{"echo":{"a":1}}');
  server.close();
});

test("a directory whose path is longer than a socket address may be is reached all the same", async () => {
  const run = join(root, "d".repeat(120), "e".repeat(120));
  const server = await serving(run, (socket) => socket.write("yes\n"));
  assert.equal(await askServer(run, "{}", soon(2_000)), "yes");
  server.close();
});

test("where no server listens the answer is undefined, whatever lies there", async () => {
  for (const name of ["absent", "f".repeat(130)]) {
    assert.equal(await askServer(join(root, name), "{}", soon(1_000)), undefined);
    mkdirSync(join(root, name));
    assert.equal(await askServer(join(root, name), "{}", soon(1_000)), undefined);
    writeFileSync(join(root, name, "admin.sock"), "");
    assert.equal(await askServer(join(root, name), "{}", soon(1_000)), undefined);
  }
});

test("a server that says nothing or goes away is unreachable, not stopped", async () => {
  const silent = await serving(join(root, "silent"), () => {});
  await assert.rejects(askServer(join(root, "silent"), "{}", soon(60)), {
    code: "unreachable",
    message: /no answer in time/,
  });
  silent.close();
  const closing = await serving(join(root, "closing"), (socket) => socket.destroy());
  await assert.rejects(askServer(join(root, "closing"), "{}", soon(2_000)), { code: "unreachable" });
  closing.close();
});
